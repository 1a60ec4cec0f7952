"""Text of a drafted experiment file, with comments."""

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hybrid_pde.command_line.draft.equation_choice import Candidate
from hybrid_pde.command_line.draft.fields_of_roles import constant_fields, dynamic_fields
from hybrid_pde.command_line.draft.regression import MEANINGFUL, learned_parameters, rounded
from hybrid_pde.command_line.draft.split import split
from hybrid_pde.command_line.draft.yaml_lines import entry, flow, list_lines
from hybrid_pde.config.equations import ParameterSpec
from hybrid_pde.config.json_schema import EDITOR_LINE
from hybrid_pde.data.inspection.description import Inspection

PREDICTED_STEPS = 8  # the default of trainer_params.num_predict_steps
_BOUNDS = 100.0  # a positive parameter is sought within this factor of its guess
_GREEK = {"ν": "nu", "κ": "kappa", "λ": "lambda", "γ": "gamma", "α": "alpha", "β": "beta"}


def experiment_text(
    found: Inspection, raw: Path, chosen: Candidate | None, possible: list[Candidate], command: str
) -> str:
    """The experiment file.

    Args:
        found: What the raw files hold.
        raw: The file or folder.
        chosen: The equation; ``None`` for a surrogate alone.
        possible: All equations that fit the fields.
        command: The command that runs the experiment, for the comment at its top.
    """
    draft = _Draft(found, raw, chosen, possible)
    return "\n".join([*draft.head(command), *draft.data(), *draft.model(), *draft.training(), ""])


class _Draft:
    """Sections of the file, as lines."""

    def __init__(
        self, found: Inspection, raw: Path, chosen: Candidate | None, possible: list[Candidate]
    ) -> None:
        self._found, self._raw, self._chosen, self._possible = found, raw, chosen, possible
        self._media = constant_fields(found)
        self._fields, self._variables = self._chosen_fields()
        self._known = self._known_parameters()
        learned = learned_parameters(chosen.match) if chosen else {}
        self._learned = {name: each for name, each in learned.items() if name not in self._known}
        self._is_hybrid = bool(self._learned)

    def head(self, command: str) -> Iterator[str]:
        """Head of the file, with the run parameters."""
        shape = " × ".join(map(str, self._found.info.grid.shape))
        yield EDITOR_LINE
        yield (
            f"# {self._found.simulations} simulation(s) of {self._found.time['steps']} frames on "
            f"{shape} points, from {self._raw}"
        )
        yield f"# run:  {command}"
        kind = "hybrid" if self._is_hybrid else "synthetic"
        yield from ("", f"run_params: {{model_type: {kind}, seed: 0}}", "")

    def data(self) -> Iterator[str]:
        """Section ``data``."""
        folder, name = os.path.split(os.path.abspath(self._raw))
        inside = os.path.relpath(folder)
        yield "data:"
        yield entry(1, "data_dir", folder if inside.startswith("..") else inside)
        yield entry(1, "dset_name", name)
        if not os.access(folder, os.W_OK):
            yield (
                entry(1, "cache_dir", f"data/cache/{os.path.basename(folder)}")
                + "  # read-only data"
            )
        fields = entry(1, "fields", list(self._fields))
        if self._media:
            fields += f"  # {', '.join(self._media)}: constant in time, inputs of the surrogate"
        yield fields
        if self._variables:
            yield entry(1, "variables", self._variables) + "  # their names in the files"
        if dims := self._found.settings.dims:
            yield entry(1, "dims", dict(dims))
        yield from self._boundary()
        yield from (f"  # {line}" for line in self._domain())
        if self._known:
            yield entry(1, "known_parameters", self._known) + "  # stated by each simulation"
        if any(self._found.fields[name]["missing"] for name in self._sources()):
            yield "  observations: {missing: mask}  # values are missing in the files"
        names = [layout.name for layout in self._found.info.layouts]
        used = {*self._sources(), *self._known_variables()}
        left = [name for name in names if name not in used]
        if left:
            yield f"  # not used: {', '.join(left)}"
        yield from self._other_numbers()
        yield ""

    def model(self) -> Iterator[str]:
        """Section ``model``."""
        yield "model:"
        yield from self._physical()
        inputs = {name: max(1, len(self._components(name))) for name in self._fields}
        outputs = {name: count for name, count in inputs.items() if name not in self._media}
        specs_text = flow({"input_specs": inputs, "output_specs": outputs})
        yield f"  synthetic: {{name: UNet, {specs_text[1:]}"
        yield ""

    def training(self) -> Iterator[str]:
        """Section ``trainer_params``."""
        training, validation, test = split(self._found.simulations)
        yield "trainer_params:"
        yield from list_lines("train_sim", training)
        yield from list_lines("val_sim", validation)
        yield from list_lines("test_sim", test)
        if not test:
            yield "  # one simulation, nothing is held out: errors are those of the training"
        if len(test) == 1:
            yield "  # errors of one test simulation say little of others; with more, test on more"
        if (steps := self._found.time["steps"] - 1) < PREDICTED_STEPS:
            yield f"  num_predict_steps: {steps}  # the simulations are short"
        if not self._is_hybrid:
            return
        yield "  physical:"
        yield "    learnable_parameters:"
        for name, spec in self._learned.items():
            yield from self._parameter(name, spec)
        yield from self._others()

    def _others(self) -> Iterator[str]:
        """Comments on parameters that keep their defaults unless they are listed."""
        assert self._chosen is not None
        known = self._known_parameters()
        for name, spec in self._chosen.match.spec.parameters.items():
            is_fixed = isinstance(spec.default, float) and not spec.components
            if name in self._learned or name in known or not is_fixed:
                continue
            given = {"name": name, "initial_guess": self._guess(name, spec)}
            unit = self._found.info.units.concrete(spec.unit)
            yield f"      # - {flow(given)}  # [{unit}], {spec.default:g} unless it is listed"

    def _boundary(self) -> Iterator[str]:
        open_axes = self._found.open_axes
        if self._found.info.boundary_stated:
            comment = "stated by the files"
        elif open_axes:
            ends = f"the values at the ends of {' and '.join(open_axes)} do not meet"
            comment = f"ASSUMED, the files state none, and {ends}; or a number, periodic"
        else:
            comment = "ASSUMED, the files state none; or zero-gradient, a number, {x: …, y: …}"
        yield f"{entry(1, 'boundary', self._found.boundary)}  # {comment}"

    def _domain(self) -> Iterator[str]:
        """Comments on the position of the outer points."""
        for line in self._found.info.units.likely_ends:
            yield f"probably the points include both ends of the domain; if so: {line}"
        for axis, each in self._found.axes.items():
            unit = f" {each['unit']}" if each["unit"] else ""
            kind = "points on both ends" if each["nodes"] else "cell centres"
            yield f"{axis}: {each['lower']:.6g} … {each['upper']:.6g}{unit}, {kind}"

    def _other_numbers(self) -> Iterator[str]:
        """Comments on numbers in the files that are no parameter of the equation by their names."""
        of_equation = {self._stated_name(name, spec) for name, spec in self._learned.items()}
        used = {*self._known_variables()} | of_equation
        for name, value in self._found.parameters.items():
            if name not in used:
                yield (
                    f"  # the files state {name} = {_shown(value)}; a parameter of the equation? "
                    f"known_parameters: {{NAME: {flow(name)}}}"
                )

    def _physical(self) -> Iterator[str]:
        others = [each.name for each in self._possible if each is not self._chosen]
        if self._is_hybrid:
            assert self._chosen is not None
            spec = self._chosen.match.spec
            yield f"  physical: {{name: {spec.name}}}  # {spec.formula}"
            if others:
                yield f"  # others for such fields, by what they explain: {', '.join(others[:6])}"
            return
        if self._chosen is not None:
            yield (
                f"  # all parameters of {self._chosen.name} are stated by the files; none is left "
                "to be estimated"
            )
        elif others:
            yield "  # no equation was chosen; these are for such fields:"
            yield f"  #   {', '.join(others)}"
            yield "  # `hybrid-pde new … --equation NAME` writes the file with one of them"
        else:
            yield "  # no built-in equation fits the fields; see docs/experiment.md for your own"

    def _parameter(self, name: str, spec: ParameterSpec) -> Iterator[str]:
        guess = self._guess(name, spec)
        given: dict[str, Any] = {"name": name, "initial_guess": guess}
        if spec.positive and isinstance(guess, float):
            given["bounds"] = [rounded(guess / _BOUNDS), rounded(guess * _BOUNDS)]
        units = self._found.info.units
        unit, in_files = units.concrete(spec.unit), units.in_files(spec.unit)
        stated = self._stated(name, spec)
        if in_files is None and isinstance(stated, float) and math.isfinite(stated):
            given["true_value"] = stated  # for comparison only; its unit of time is not known
        comment = f"[{unit}]"
        if in_files and isinstance(guess, float):
            comment += f", a guess of {guess * in_files[1]:.2g} {in_files[0]}"
        if stated is not None:
            comment += f", the files state {_shown(stated)}"
        yield f"      - {flow(given)}  # {comment}"

    def _guess(self, name: str, spec: ParameterSpec) -> float | list[float]:
        """A guess from the data; without one the size that moves things by a tenth of a cell."""
        fit = None if self._chosen is None else self._chosen.fit
        value = None if fit is None or fit.unexplained > MEANINGFUL else fit.values.get(name)
        if isinstance(value, list):
            largest = max(map(abs, value))
            return [rounded(each) if abs(each) > 1e-6 * largest else 0.0 for each in value]
        if value is not None and (value > 0 or not spec.positive) and _is_normal(value):
            return rounded(value)
        grid, dt = self._found.info.grid, self._found.info.dt
        size = rounded(0.1 * _in_units(spec.unit, min(grid.spacing), dt))
        return [size] * len(grid.axes) if spec.per_axis else size

    def _chosen_fields(self) -> tuple[dict[str, tuple[str, ...]], dict[str, Any]]:
        """Sources of each field, and ``data.variables``."""
        settings = self._found.settings.variables
        sources: dict[str, tuple[str, ...]]
        if self._chosen is None:
            sources = {_field_name(each.name): (each.name,) for each in dynamic_fields(self._found)}
        else:
            sources = {
                role if len(names) > 1 or not names[0].isidentifier() else names[0]: names
                for role, names in self._chosen.match.sources.items()
            }
        sources |= {name: (name,) for name in self._media}
        variables: dict[str, Any] = {}
        for field, names in sources.items():
            if len(names) > 1:
                variables[field] = list(names)
            elif names[0] in settings:
                variables[field] = settings[names[0]]
            elif names[0] != field:
                variables[field] = names[0]
        return sources, variables

    def _sources(self) -> list[str]:
        return [name for names in self._fields.values() for name in names]

    def _components(self, field: str) -> tuple[str, ...]:
        names = self._fields[field]
        layouts = {layout.name: layout for layout in self._found.info.layouts}
        return self._found.info.grid.axes if len(names) > 1 else layouts[names[0]].components

    def _known_variables(self) -> list[str]:
        """Names in the files of the known parameters."""
        named = self._known.values()
        return [name for each in named for name in ([each] if isinstance(each, str) else each)]

    def _known_parameters(self) -> dict[str, Any]:
        """Parameters that differ between simulations or in space, with their names in the files."""
        if self._chosen is None:
            return {}
        found: dict[str, Any] = {
            name: list(components) for name, components in self._chosen.match.currents.items()
        }
        for name, spec in self._chosen.match.spec.parameters.items():
            stated = self._stated_name(name, spec)
            values = self._found.parameters.get(stated) if stated else None
            if stated and isinstance(values, list) and len(values) == self._found.simulations > 1:
                found[name] = stated
        return found

    def _stated(self, name: str, spec: ParameterSpec) -> Any:
        stated = self._stated_name(name, spec)
        return None if stated is None else self._found.parameters[stated]

    def _stated_name(self, name: str, spec: ParameterSpec) -> str | None:
        """Name in the files of a parameter: its own, or its symbol."""
        symbol = "".join(_GREEK.get(letter, letter) for letter in spec.symbol)
        wanted = {_plain(name), _plain(symbol)} - {""}
        for stated in self._found.parameters:
            if _plain(stated) in wanted:
                return stated
        return None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _field_name(name: str) -> str:
    return re.sub(r"\W+", "_", name).strip("_") or "u"


def _is_normal(value: float) -> bool:
    return 1e-30 < abs(value) < 1e30


def _in_units(unit: str, length: float, time: float) -> float:
    """Size of a quantity with a unit like ``length²/time``; of other units 1."""
    above, _, below = unit.partition("/")
    size = 1.0
    for part, sign in ((above, 1), (below, -1)):
        for word, value in (("length", length), ("time", time)):
            if match := re.fullmatch(rf"{word}([²³⁴]?)", part):
                size *= value ** (sign * {"": 1, "²": 2, "³": 3, "⁴": 4}[match[1]])
    return size


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value[:4]))}{', …' if len(value) > 4 else ''}]"
    return f"{value:.6g}"
