"""Writing of a drafted experiment file."""

import re
from dataclasses import replace
from pathlib import Path

from hybrid_pde.command_line.draft.equation_choice import (
    Candidate,
    candidates,
    preferred,
    required,
)
from hybrid_pde.command_line.draft.experiment_text import experiment_text
from hybrid_pde.command_line.draft.regression import MEANINGFUL
from hybrid_pde.command_line.run_commands import run_command
from hybrid_pde.config.json_schema import FILE_NAME, experiment_schema_text
from hybrid_pde.config.loading import CONFIG_DIR
from hybrid_pde.config.raw_formats import AUTO
from hybrid_pde.data.atomic import atomic_path
from hybrid_pde.data.cache.raw_index import scan
from hybrid_pde.data.inspection.description import Inspection, boundary_of, inspect
from hybrid_pde.data.raw_files.formats import suffixes
from hybrid_pde.domain.grid import ZERO_GRADIENT
from hybrid_pde.errors import ConfigError, RawDataError

_SHOWN = 5  # equations in the message


def write_experiment(raw: Path, equation: str | None, output: Path | None) -> str:
    """Write the experiment of some raw files; returns what was done, for the terminal.

    Editors find the JSON schema of experiment files beside it.

    Args:
        raw: A raw file, or a folder of them.
        equation: Name of the equation; ``None`` to choose one.
        output: The file to write; ``None`` for the usual place.

    Raises:
        RawDataError: if the files cannot be used as they are.
        ConfigError: if the equation does not fit them, or the file exists.
    """
    path = output or _usual_place(raw)
    if path.exists():
        raise ConfigError(f"{path}: exists; choose another file with --output, or remove it")
    if path.suffix not in (".yaml", ".yml"):
        raise ConfigError(f"{path}: an experiment is a YAML file; choose a name with .yaml")
    found = inspect(raw)
    if found.refused or found.info.num_frames < 2:
        reasons = found.refused or ("one frame; a simulation has two or more",)
        raise RawDataError("\n".join(f"{raw}: not usable as it is: {text}" for text in reasons))
    found = _with_walls(found)
    possible = [] if found.info.units.unusable else candidates(found, next(iter(scan(raw, AUTO))))
    if equation is not None:
        chosen: Candidate | None = required(equation, possible, found)
    else:
        chosen = preferred(possible)
    command = run_command(path, path.stem)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = experiment_text(found, raw, chosen, possible, command)
    schema = path.with_name(FILE_NAME)
    for file, content in ((path, text), (schema, experiment_schema_text())):
        with atomic_path(file) as temporary:
            temporary.write_text(content, encoding="utf-8")
    return "\n".join(_summary(path, chosen, possible, found, command))


def _with_walls(found: Inspection) -> Inspection:
    """The data with walls at the ends that do not meet, where the files state no boundary."""
    grid = found.info.grid
    sides = [
        (ZERO_GRADIENT, ZERO_GRADIENT) if axis in found.open_axes else pair
        for axis, pair in zip(grid.axes, grid.boundary, strict=True)
    ]
    grid = replace(grid, boundary=tuple(sides))
    return replace(found, info=replace(found.info, grid=grid), boundary=boundary_of(grid))


def _usual_place(raw: Path) -> Path:
    name = re.sub(r"[^A-Za-z0-9_.\-]", "_", _data_name(raw.resolve())).lstrip("_.-")
    name = name or "experiment"
    folder = Path(CONFIG_DIR)
    return (folder if folder.is_dir() else Path()) / f"{name}.yaml"


def _data_name(raw: Path) -> str:
    """Name of a file or store without its suffix, of a folder as it is."""
    return raw.stem if raw.is_file() or raw.suffix in suffixes(AUTO) else raw.name


def _assumed_boundary(found: Inspection) -> str:
    if not found.open_axes:
        return "the files state no boundary: periodic is assumed, see data.boundary"
    axes = " and ".join(found.open_axes)
    return (
        f"the files state no boundary, and the values at the two ends of {axes} do not meet: walls "
        "without a flux (zero-gradient) are assumed there, see data.boundary"
    )


def _unexplained(each: Candidate) -> str:
    if each.fit is None:
        return ""
    percent = 100 * min(1.0, each.unexplained)
    shown = f"{percent:.0f}" if percent >= 10 else f"{percent:.2g}"
    return f"; leaves {shown} % of the change between frames"


def _summary(
    path: Path,
    chosen: Candidate | None,
    possible: list[Candidate],
    found: Inspection,
    command: str,
) -> list[str]:
    lines = [f"{path}: written"]
    for each in possible[:_SHOWN]:
        mark = "→" if each is chosen else " "
        known = "".join(
            f", {name} from {', '.join(components)}"
            for name, components in each.match.currents.items()
        )
        formula = f"{each.match.spec.formula}{known}"
        lines.append(f"{mark} {each.name}: {formula}{_unexplained(each)}")
    if chosen is None:
        reason = "no built-in equation fits the fields and axes"
        if found.info.units.unusable:
            reason = found.info.units.unusable[0]
        elif possible:
            reason = "none explains them alone; choose one with --equation NAME"
        lines.append(f"no equation, a surrogate only: {reason}")
    if chosen is not None and chosen.fit is not None and chosen.unexplained > MEANINGFUL:
        lines.append(
            f"{chosen.name} does not explain these data: the guesses are sizes that fit grid and "
            "time step, not estimates"
        )
    if not found.info.boundary_stated:
        lines.append(_assumed_boundary(found))
    return [*lines, f"check: hybrid-pde check {path}", f"run:   {command}"]
