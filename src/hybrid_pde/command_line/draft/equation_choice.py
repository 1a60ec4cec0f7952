"""Choice of the equation of a drafted experiment: by its fields, then by what explains the data."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hybrid_pde.command_line.draft.fields_of_roles import Match, match_of
from hybrid_pde.command_line.draft.regression import (
    Regression,
    chosen_frames,
    learned_parameters,
    regression,
)
from hybrid_pde.config.discovery import built_in_equations
from hybrid_pde.config.error_messages import suggest
from hybrid_pde.data.inspection.description import Inspection
from hybrid_pde.data.raw_files.inspection_mode import inspecting
from hybrid_pde.data.raw_files.subprocess_reader import open_in_subprocess
from hybrid_pde.errors import ConfigError

# Share of the rates' mean square that an equation may leave: more, and it is not proposed.
EXPLAINED = 0.3
# An equation with fewer parameters is preferred if it leaves at most so many times as much, or as
# little more: differences over frames are no better than that.
_AS_GOOD, _SLACK = 2.0, 0.005


@dataclass(frozen=True)
class Candidate:
    """An equation that fits the fields; ``fit`` is ``None`` if its terms were not computed."""

    match: Match
    fit: Regression | None

    @property
    def name(self) -> str:
        """Value of ``model.physical.name``."""
        return self.match.spec.name

    @property
    def unexplained(self) -> float:
        """Share of the rates of change that it does not explain; 1 if unknown."""
        return 1.0 if self.fit is None else self.fit.unexplained


def candidates(found: Inspection, first_file: Path) -> list[Candidate]:
    """All equations that fit the fields and the grid, the best explanation first."""
    matches = [match_of(spec, found) for spec in built_in_equations().values()]
    fitting = [match for match in matches if match is not None]
    frames, dt = _triples(found, first_file), found.info.dt
    results = [
        Candidate(match, regression(match, found.info.grid, frames, dt) if frames else None)
        for match in fitting
    ]
    return sorted(results, key=lambda each: each.unexplained)


def required(name: str, possible: Iterable[Candidate], found: Inspection) -> Candidate:
    """The equation that the user asks for.

    Raises:
        ConfigError: if there is none of that name, or the files lack what it needs.
    """
    known = built_in_equations()
    if name not in known:
        raise ConfigError(f"--equation: {suggest(name, known)}")
    for each in possible:
        if each.name == name:
            return each
    spec, grid = known[name], found.info.grid
    roles = [
        f"{role.name} ({'vector' if role.is_vector else 'scalar'})"
        for role in spec.fields
        if not role.is_optional
    ]
    fitting = ", ".join(each.name for each in possible) or "none"
    raise ConfigError(
        f"--equation: {name}: needs the fields {', '.join(roles)}"
        f"{' on a periodic box' if spec.is_periodic else ''} in {' or '.join(map(str, spec.dims))} "
        f"dimension(s); the files have {', '.join(found.fields)} along "
        f"{', '.join(grid.axes)}; equations that fit: {fitting}"
    )


def preferred(possible: list[Candidate]) -> Candidate | None:
    """The one equation that explains the data; ``None`` if none or several do."""
    good = [each for each in possible if each.unexplained <= EXPLAINED]
    if not good:
        named = [each for each in possible if each.match.num_named]
        return named[0] if len(named) == 1 else None
    limit = _AS_GOOD * good[0].unexplained + _SLACK
    equal = [each for each in good if each.unexplained <= limit]
    fewest = min(len(learned_parameters(each.match)) for each in equal)
    simplest = [each for each in equal if len(learned_parameters(each.match)) == fewest]
    most = max(each.match.num_named for each in simplest)
    chosen = [each for each in simplest if each.match.num_named == most]
    return chosen[0] if len(chosen) == 1 else None


def _triples(found: Inspection, path: Path) -> dict[str, np.ndarray]:
    """Triples of neighbouring frames of each field of the first simulation, ``[N, 3, C, *space]``.

    Fields that are constant in time have their values ``[C, *space]``. Empty if a value is missing
    or there are two frames only.
    """
    points = int(np.prod(found.info.grid.shape))
    middle = chosen_frames(found.info.num_frames, points)
    wanted = sorted({frame + step for frame in middle for step in (-1, 0, 1)})
    if not middle or any(each["missing"] for each in found.fields.values()):
        return {}
    kept: dict[str, dict[int, np.ndarray]] = {}
    with inspecting(), open_in_subprocess(path, found.settings) as file:
        first, constant = 0, file.static(0)
        for block in file.frames(0):
            length = max(map(len, block.values()), default=0)
            for name, values in block.items():
                for frame in wanted:
                    if first <= frame < first + length:
                        kept.setdefault(name, {})[frame] = values[frame - first].astype(np.float64)
            first += length
            if first > wanted[-1]:
                break
    return {
        name: np.stack([np.stack([of[f - 1], of[f], of[f + 1]]) for f in middle])
        for name, of in kept.items()
    } | {name: values.astype(np.float64) for name, values in constant.items()}
