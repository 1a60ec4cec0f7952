"""The stage ``simulate``: raw files of ``generation_params``, one NetCDF file a simulation."""

import json
import math
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from hybrid_pde.config.derived import generated_fields
from hybrid_pde.config.loading import parse_experiment
from hybrid_pde.config.schema import Experiment
from hybrid_pde.data.atomic import refuse_too_large, sha256_of, write_json
from hybrid_pde.data.cache.cache_header import VALUE_BYTES
from hybrid_pde.data.generated_data import generated_grid
from hybrid_pde.data.initial_states.drawn_states import drawn_state
from hybrid_pde.data.initial_states.random_fields import State
from hybrid_pde.data.raw_netcdf_writer import write_raw_file
from hybrid_pde.domain.grid import FieldLayout
from hybrid_pde.domain.known_values import KnownParameter
from hybrid_pde.domain.parameter_ranges import value_within
from hybrid_pde.errors import RawDataError
from hybrid_pde.models.physical.ensemble import Recording, Start, generate, projections
from hybrid_pde.models.physical.field_roles import match_roles
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.result_warnings import recorded_warnings
from hybrid_pde.stages.threads import limit_threads

ATTRIBUTE = "generated_with"
CODE_ATTRIBUTE = "generated_by_code"


def simulate_shard(
    settings: dict[str, Any],
    shard: Sequence[int],
    manifest: Path,
    *,
    code: str = "",
    threads: int = 1,
    compile: str = "auto",
) -> None:
    """Simulate some raw files and write their manifest.

    Args:
        settings: The experiment's settings that the raw files depend on.
        shard: The simulations.
        manifest: JSON file to write, beside the raw files.
        code: Digest of the code; files of other code are simulated again.
        threads: Threads that the rule was given.
        compile: Whether time steps are compiled: ``auto``, ``always`` or ``never``.
    """
    limit_threads(threads)
    experiment = parse_experiment({**settings, "workflow": {"compile": compile}})
    simulations = RawSimulations(experiment, manifest.parent, code)
    with recorded_warnings() as found:
        made = simulations.make(shard)
    write_json(manifest, {**made, "warnings": found})


class RawSimulations:
    """The simulations of ``generation_params``, at cell centres.

    Args:
        experiment: The true parameters are those of ``generation_params.parameters``; the boundary
            is ``data.boundary``, periodic by default.
        directory: Folder of the raw files.
        code: Digest of the code, if it is known: files of other code are simulated again.

    Raises:
        ConfigError: if boundary or fields do not fit axes and equation.
    """

    def __init__(self, experiment: Experiment, directory: Path, code: str = "") -> None:
        assert experiment.generation_params is not None
        self.directory = directory
        given = experiment.generation_params
        self._seed = experiment.run_params.seed if given.seed is None else given.seed
        self._settings = given.model_copy(update={"seed": self._seed})
        self._model = _true_model(experiment)
        grid = generated_grid(experiment)
        spec = self._model.spec
        names = match_roles(spec, generated_fields(experiment))
        layouts = [
            FieldLayout(names[role.name], grid.axes if role.is_vector else ())
            for role in spec.fields
            if role.name in names
        ]
        staggered = self._model.discretization.is_staggered
        self._solenoidal = projections(spec, [*names.values()], grid, staggered)
        drawn = [KnownParameter(name) for name in self._settings.ranges]
        self._recording = Recording(grid, layouts, self._settings.steps, self._settings.dt, drawn)
        provenance = {
            "equation": spec.name,
            "fields": [layout.name for layout in layouts],
            "boundary": grid.boundary,
            "settings": self._settings.model_dump(mode="json", exclude={"num_simulations"}),
        }
        self._attributes = {
            "title": f"{spec.name}: {spec.formula}",
            ATTRIBUTE: json.dumps(provenance, sort_keys=True, ensure_ascii=False),
            CODE_ATTRIBUTE: code,
        }

    def make(self, indices: Sequence[int]) -> dict[str, Any]:
        """Simulate those of ``indices`` that have no file of the same settings yet.

        Returns:
            The manifest: files and digests.

        Raises:
            RawDataError: if a file of that name was not written by the workflow, or a
                simulation diverges.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        missing = [index for index in indices if not self._is_current(index)]
        frames = self._recording.steps + 1
        channels = sum(layout.channels for layout in self._recording.layouts)
        numbers = frames * channels * math.prod(self._recording.grid.shape)
        refuse_too_large(self.directory, len(missing) * numbers * VALUE_BYTES, "the simulations")
        done = set(indices) - set(missing)
        simulated = generate(self._model, self._recording, self._start, missing)
        for index, fields in simulated:
            self._write(index, fields)
            done.add(index)
        if len(done) < len(indices):
            raise RawDataError(
                f"{self.directory}: simulations {sorted(set(indices) - done)} diverged; lower "
                "generation_params.initial_condition.amplitude or generation_params.dt"
            )
        files = {self._path(index).name: sha256_of(self._path(index)) for index in indices}
        return {"simulations": list(indices), "files": files}

    def _path(self, index: int) -> Path:
        return self.directory / f"sim_{index:06d}.nc"

    def _start(self, index: int) -> Start:
        state = drawn_state(
            self._recording.grid,
            self._recording.layouts,
            self._settings.initial_condition,
            (self._seed, index),
            solenoidal=self._solenoidal,
        )
        return Start(state, self._drawn(index))

    def _drawn(self, index: int) -> dict[str, torch.Tensor]:
        """The parameters that ``generation_params.ranges`` gives each simulation, by name."""
        values = {}
        for name, (lower, upper) in self._settings.ranges.items():
            # seeded by name, so another parameter does not change the values of the others
            generator = np.random.default_rng([self._seed, index, zlib.crc32(name.encode())])
            value = value_within(lower, upper, float(generator.random()))
            values[name] = torch.tensor(value, dtype=torch.float64)
        return values

    def _is_current(self, index: int) -> bool:
        path = self._path(index)
        if not path.exists():
            return False
        try:
            with xr.open_dataset(path, engine="netcdf4", decode_cf=False) as dataset:
                attribute = dataset.attrs.get(ATTRIBUTE)
                code = dataset.attrs.get(CODE_ATTRIBUTE)
        except (OSError, ValueError):
            attribute = code = None
        if attribute is None:
            raise RawDataError(
                f"{path}: not written by this workflow, so it is not overwritten; move it away, or "
                "remove generation_params to use the files that are there"
            )
        same_code = self._attributes[CODE_ATTRIBUTE] in ("", code)
        return same_code and attribute == self._attributes[ATTRIBUTE]

    def _write(self, index: int, fields: State) -> None:
        fields, layouts = dict(fields), list(self._recording.layouts)
        if "pressure" in self._settings.diagnostics:
            velocity = next(fields[each.name] for each in layouts if each.components)
            fields["pressure"] = dynamic_pressure(velocity)
            layouts.append(FieldLayout("pressure"))
        write_raw_file(
            self._path(index),
            fields,
            self._recording.grid,
            layouts,
            self._recording.dt,
            self._attributes,
            {name: float(value) for name, value in self._drawn(index).items()},
        )


def dynamic_pressure(velocity: np.ndarray) -> np.ndarray:
    """½ |u|² of a velocity ``[T, C, *space]`` as a scalar ``[T, 1, *space]`` (unit density)."""
    return 0.5 * (velocity**2).sum(axis=1, keepdims=True)


def _true_model(experiment: Experiment) -> PhysicalModel:
    """The equation with the true parameters, those of ``generation_params``."""
    generation, section = experiment.generation_params, experiment.model.physical
    assert generation is not None
    name = generation.equation or (section.name if section else "")
    module = section.module if section and section.name == name else None
    # each simulation replaces the parameters that it draws
    drawn = {name: upper for name, (_, upper) in generation.ranges.items()}
    parameters = {**generation.parameters, **drawn}
    truth = {"name": name, "module": module, "pde_params": parameters}
    config = {"project_root": experiment.project_root, "model": {"physical": truth}}
    return ModelRegistry(config).get_physical_model()
