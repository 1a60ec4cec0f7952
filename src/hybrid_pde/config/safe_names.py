"""Characters that names and paths may have, which are text in every program that gets them.

A name of a file, a folder, an experiment or a field becomes part of shell commands, of Snakemake's
patterns (braces) and lists (commas), of Slurm's patterns (percent signs), and of NetCDF variables.
The characters allowed here mean nothing in any of them, quoted or within double quotes.
"""

import re
import unicodedata

from hybrid_pde.errors import ConfigError

# besides letters, digits and marks of any script
SIGNS = " _-.+=@:~&()"
# in names of files only: Snakemake separates wildcards, which are folders, by commas, and Slurm
# replaces percent signs in the names of its logs, which come from folders
FILE_SIGNS = SIGNS + ",%"
# in names of fields, which become no part of a command: `data[0]` is one of PDEBench's
FIELD_SIGNS = SIGNS + "[]"
# in the paths of the project and of the working directory, which are no wildcards
OWN_FOLDER_SIGNS = SIGNS + ",'#![]"
# bytes; a file system allows 255, and logs and temporary files have longer names than their stage
MAX_BYTES = 200
MAX_PATH_BYTES = 1000
# names of experiments, which are also options of commands and parts of addresses
EXPERIMENT_NAME = r"[A-Za-z0-9][A-Za-z0-9_.\-]*"
# files and folders of the default experiment in `results`
RESERVED = ("synthetic_model.pt", "logs", "benchmarks")
_CATEGORIES = {"L", "M", "N"}  # Unicode's letters, marks (accents) and numbers


def allowed(signs: str = SIGNS) -> str:
    """The allowed characters, for messages and documentation."""
    return f"letters and digits of any script, spaces and {' '.join(signs.strip())}"


def name_problem(name: str, signs: str = SIGNS) -> str | None:
    """Fault of the name of a file, a folder or a field; ``None`` if it is valid.

    Args:
        name: The name, without a path.
        signs: Allowed characters besides letters, digits and marks.
    """
    for character in name:
        if character not in signs and unicodedata.category(character)[0] not in _CATEGORIES:
            return f"the character {character!r} is not allowed; allowed are {allowed(signs)}"
    if name != name.strip():
        return "begins or ends with a space"
    if name.startswith("-"):
        return "begins with '-', like an option of a command"
    size = len(name.encode())
    if size > MAX_BYTES:
        return f"has {size} bytes; allowed are at most {MAX_BYTES}"
    return None


def path_problem(path: str, signs: str = SIGNS, file_signs: str = SIGNS) -> str | None:
    """Fault of a path; ``None`` if it is valid.

    Args:
        path: A relative or absolute path.
        signs: Allowed characters in its folders.
        file_signs: Allowed characters in its last part.
    """
    *folders, last = path.split("/")
    problems = (
        *(name_problem(folder, signs) for folder in folders),
        name_problem(last, file_signs),
    )
    problem = next((each for each in problems if each is not None), None)
    if problem is None and path.startswith(("@", "~")):
        problem = f"begins with {path[0]!r}, which a command expands"
    if problem is None and len(path.encode()) > MAX_PATH_BYTES:
        problem = f"has {len(path.encode())} bytes; allowed are at most {MAX_PATH_BYTES}"
    return problem


def field_problem(name: str) -> str | None:
    """Fault of the name of a field or a parameter; ``None`` if it is valid."""
    problem = name_problem(name, FIELD_SIGNS)
    if problem is None and not re.match(r"[^\W_]|_(?!_)", name):
        problem = "must begin with a letter, a digit or a single '_', as a NetCDF variable does"
    return problem


def experiment_name_problem(name: str) -> str | None:
    """Fault of the name of an experiment; ``None`` if it is valid."""
    if not re.fullmatch(EXPERIMENT_NAME, name):
        return "allowed are letters, digits, '_', '-' and '.', starting with a letter or digit"
    if name in RESERVED:
        return f"is a file or folder in results/; names other than {', '.join(RESERVED)} are free"
    return name_problem(name)


def check_path(
    place: str, path: str, remedy: str, signs: str = SIGNS, file_signs: str = SIGNS
) -> None:
    """Reject a path that is not text in every program that gets it.

    Args:
        place: File and key that the path comes from, for the message.
        path: A relative or absolute path.
        remedy: What to do about it, for the message.
        signs: Allowed characters in its folders besides letters, digits and marks.
        file_signs: Allowed characters in its last part.

    Raises:
        ConfigError: with the character, or the length.
    """
    problem = path_problem(path, signs, file_signs)
    if problem is not None:
        raise ConfigError(f"{place}: {shortened(path)!r}: {problem}; {remedy}")


def shortened(text: str, length: int = 80) -> str:
    """A text of at most ``length`` characters, for a message."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
