"""Generation of simulations with the calibrated physical model, in files."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import torch

from hybrid_pde.config.checks.augmentation import MB
from hybrid_pde.config.schema import Experiment
from hybrid_pde.data.cache.cache_header import VALUE_BYTES
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.cache.channel_statistics import ChannelStatistics
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.data.initial_states.random_fields import State
from hybrid_pde.domain.grid import FieldLayout
from hybrid_pde.domain.known_values import KnownParameter, as_tuples
from hybrid_pde.errors import ConfigError, DivergenceError
from hybrid_pde.models.physical.ensemble import Recording, Start, generate, projections
from hybrid_pde.models.physical.field_roles import match_roles
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.result_warnings import warn_of_result
from hybrid_pde.training.augmentation.parameter_sampling import ParameterSampler
from hybrid_pde.training.augmentation.source_simulations import (
    SourceSimulation,
    digest_of,
    generated_steps,
)
from hybrid_pde.training.augmentation.start_states import STREAM, StartStates

logger = logging.getLogger(__name__)

DRAW = 2  # separates the random numbers of parameters from those of states
RUNAWAY = 100.0  # times the largest value in the data and at the start: a numerical instability
# A parameter with more numbers is a field; the provenance holds its digest.
MAX_NUMBERS = 8


class Augmentation:
    """Draws initial states and parameters, and solves the equation for them.

    Generated simulations take the training simulations as their sources in turn, with the known
    parameters and static fields of these. Drawn parameters take precedence over known ones, and are
    recorded like them. Everything drawn depends only on the seed and the simulation's index.

    Args:
        experiment: Sections ``augmentation``, ``run_params``, ``trainer_params``.
        model: The calibrated model.
        real: The training simulations, which give grid, dt, number of steps and initial states.
        store: Where the generated simulations go.
        code: Digest of the code, if it is known; simulations of other code are generated again.
        calibrated: Calibrated ``std`` and ``bounds``, see :class:`ParameterSampler`.

    Raises:
        ConfigError: if time-dependent parameters are known for fewer steps, a parameter cannot be
            drawn, or given initial states do not fit.
    """

    def __init__(
        self,
        experiment: Experiment,
        model: PhysicalModel,
        real: SimulationStore,
        store: CacheManager,
        code: str = "",
        calibrated: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.model = model
        self.store = store
        self._seed = experiment.run_params.seed
        self._max_disk_mb = experiment.augmentation.max_disk_mb
        train = experiment.trainer_params.physical.train_sim
        layouts = _dynamic(model, real.layouts)
        self._static = [each for each in real.layouts if each.static]
        self._sources = [SourceSimulation.of(i, real.load(i), layouts, self._static) for i in train]
        steps = generated_steps(experiment.augmentation.steps, self._sources)
        self._sampler = ParameterSampler(experiment, model, real.grid, calibrated)
        kinds = [k for k in self._sources[0].kinds if k.name not in self._sampler.names]
        self._recording = Recording(
            real.grid, layouts, steps, real.dt, [*kinds, *self._sampler.kinds], real.units
        )
        names = [each.name for each in layouts]
        staggered = model.discretization.is_staggered
        solenoidal = projections(model.spec, names, real.grid, staggered)
        self._starts = StartStates(experiment, self._sources, self._recording, solenoidal)
        self._largest = {
            each.name: max(_largest(real.header(i).statistics[each.name]) for i in train)
            for each in layouts
        }
        self._provenance = self._describe()
        self._code = code

    def make(self, indices: Sequence[int]) -> list[int]:
        """Generate those of ``indices`` that have no file of the same settings yet.

        Args:
            indices: The simulations wanted, e.g. a shard.

        Returns:
            The simulations that have files now; those that diverged are left out.

        Raises:
            ConfigError: if they would take more than ``augmentation.max_disk_mb``.
            DivergenceError: if none of the simulations stayed finite.
        """
        self._check_disk_limit(len(indices))
        missing = [index for index in indices if not self._is_current(index)]
        for index in missing:
            self.store.path(index).unlink(missing_ok=True)
        for index, fields in generate(self.model, self._recording, self._start, missing):
            try:
                self._check_growth(fields)
                self._write(index, fields)
            except DivergenceError as error:
                warn_of_result(f"generated simulation {index} is left out: {error}")
        made = [index for index in indices if self.store.exists(index)]
        if indices and not made:
            raise DivergenceError(
                f"all {len(indices)} generated simulations diverged; calibrate the model first, "
                "or lower augmentation.initial_condition.amplitude"
            )
        logger.info(
            "%d of %d generated simulations, %d of them new, take %.4g MB on disk",
            len(made), len(indices), len({*made} & {*missing}), self.store.disk_usage(made) / MB,
        )  # fmt: skip
        return made

    def _check_growth(self, fields: State) -> None:
        """Reject a simulation with huge values, which would dominate the surrogate's loss."""
        for name, values in fields.items():
            usual = max(self._largest[name], float(abs(values[0]).max()))
            largest = float(abs(values).max())
            if largest > RUNAWAY * usual:
                raise DivergenceError(f"{name} grows to {largest:.3g}, from at most {usual:.3g}")

    def _check_disk_limit(self, count: int) -> None:
        recording = self._recording
        values = sum(each.channels for each in recording.layouts) * prod(recording.grid.shape)
        needed = count * (recording.steps + 1) * values * VALUE_BYTES / MB
        if self._max_disk_mb is not None and needed > self._max_disk_mb:
            raise ConfigError(
                f"augmentation.max_disk_mb: {self._max_disk_mb:g}: {count} simulations of "
                f"{recording.steps + 1} frames take {needed:.4g} MB; allow it, or lower "
                "augmentation.num_simulations or augmentation.steps"
            )

    def _drawn(self, index: int) -> dict[str, torch.Tensor]:
        """The parameters drawn for one simulation."""
        return self._sampler.draw((self._seed, STREAM, index, DRAW))

    def _start(self, index: int) -> Start:
        known = self._starts.source(index).first_values(self._recording.steps + 1)
        return Start(self._starts.state(index), {**known, **self._drawn(index)})

    def _write(self, index: int, fields: State) -> None:
        recording, drawn = self._recording, self._drawn(index)
        source = self._starts.source(index)
        known, tensors = source.recorded(recording.steps + 1)
        kept = [kind for kind in known if kind.name not in drawn]
        own = {kind.layout.name for kind in known if kind.name in drawn}
        kept += [_with_values(kind, drawn[kind.name]) for kind in self._sampler.kinds]
        self.store.write(
            index,
            {**fields, **source.static, **{n: v for n, v in tensors.items() if n not in own}},
            recording.grid,
            recording.dt,
            {**self._provenance, **self._describe_one(index), "code": self._code},
            [*recording.layouts, *self._static],
            kept,
            recording.units,
        )

    def _is_current(self, index: int) -> bool:
        if not self.store.exists(index):
            return False
        source = dict(self.store.header(index).source)
        code = source.pop("code", None)
        wanted = {**self._provenance, **self._describe_one(index)}
        return self._code in ("", code) and source == wanted

    def _describe_one(self, index: int) -> dict[str, Any]:
        """Provenance of one simulation that is not the same for all, as JSON types."""
        drawn = {name: value.tolist() for name, value in self._drawn(index).items()}
        return {**self._starts.describe_one(index), **({"drawn": drawn} if drawn else {})}

    def _describe(self) -> dict[str, Any]:
        """Provenance that is the same for all generated simulations, as JSON types."""
        parameters = {
            name: _described(value.detach()) for name, value in self.model.named_parameters()
        }
        return {
            "equation": self.model.spec.name,
            "parameters": parameters,
            "numerics": self.model.numerics.model_dump(mode="json"),
            "discretization": self.model.discretization.label,
            "initial_condition": self._starts.describe(),
            "source_simulations": digest_of(self._sources, self._recording.steps + 1),
            "grid": self._recording.grid.to_dict(),
            "dt": self._recording.dt,
            "seed": self._seed,
            "steps": self._recording.steps,
        }


def _with_values(kind: KnownParameter, values: torch.Tensor) -> KnownParameter:
    return replace(kind, values=as_tuples(values.tolist()))


def _described(value: torch.Tensor) -> Any:
    """A parameter as JSON types: its numbers, or the digest of a field's values."""
    if value.numel() <= MAX_NUMBERS:
        return value.tolist()
    return {
        "shape": list(value.shape),
        "sha256": hashlib.sha256(value.numpy().tobytes()).hexdigest(),
    }


def _largest(statistics: ChannelStatistics) -> float:
    return max(map(abs, (*statistics.min, *statistics.max)))


def _dynamic(model: PhysicalModel, layouts: Sequence[FieldLayout]) -> list[FieldLayout]:
    """Layouts of the data's fields that are fields of the equation."""
    roles = match_roles(model.spec, [each.name for each in layouts if not each.static])
    return [each for each in layouts if each.name in roles.values()]
