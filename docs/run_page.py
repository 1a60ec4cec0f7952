"""Runs a page's commands and writes what they print into it.

``python docs/run_page.py docs/tutorial.md FOLDER`` writes the blocks that begin with the name of a
file (``# waves.py``) to the folder, runs the lines that begin with ``$`` there, and replaces the
text below each by its output. Below a line ``…`` only the end of the output is shown, with as many
lines as before.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

BLOCK = re.compile(r"^```(console|python)\n(.*?)^```$", re.M | re.S)
OMITTED = "…"


def with_outputs(page: str, folder: Path) -> str:
    """The page with the outputs of its commands, run in a folder."""

    def run_block(found: re.Match[str]) -> str:
        kind, text = found.groups()
        if kind == "console":
            text = "".join(run_command(*each, folder) for each in commands(text))
        elif name := re.match(r"# ([\w/]+\.py)\n", text):
            (folder / name[1]).write_text(text, encoding="utf-8")
        return f"```{kind}\n{text}```"

    return BLOCK.sub(run_block, page)


def commands(block: str) -> list[tuple[str, str]]:
    """The commands of a block, each with the output below it."""
    parts = re.split(r"^\$ (.*)\n", block, flags=re.M)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def run_command(command: str, shown: str, folder: Path) -> str:
    """A command and what it prints.

    Raises:
        RuntimeError: if it fails, with its output.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # as wide as the page
    environment = os.environ | {"PATH": path, "COLUMNS": "100", "PYTHONUNBUFFERED": "1"}
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command}: exit code {done.returncode}\n{done.stdout}")
    lines = done.stdout.replace(f"{folder}/", "").splitlines()
    if shown.startswith(OMITTED):
        lines = [OMITTED, *lines[-(len(shown.splitlines()) - 1) :]]
    return "".join(f"{line.rstrip()}\n" for line in [f"$ {command}", *lines])


if __name__ == "__main__":
    name, directory = Path(sys.argv[1]), Path(sys.argv[2])
    name.write_text(with_outputs(name.read_text(encoding="utf-8"), directory), encoding="utf-8")
