"""Calibration of one simulation after the other, each with parameters of its own.

Simulations are independent problems. They share the model, so the graphs of its steps are traced
once, and the scheme, which one simulation selects for all.
"""

import logging
import warnings
from collections.abc import Mapping, Sequence
from math import hypot, isfinite
from typing import Any

import numpy as np

from hybrid_pde.config.derived import context_of, is_held_out, own_parameters
from hybrid_pde.config.schema import SCHEME_ORDERS, Experiment
from hybrid_pde.data.cache.cache_header import CacheHeader
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.data.cache.simulation_view import SimulationView
from hybrid_pde.errors import CalibrationError, MachineError, StorageError, UserError
from hybrid_pde.models.physical.initial_parameters import initial_values
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.numerics.discretization import Discretization
from hybrid_pde.result_warnings import ResultWarning
from hybrid_pde.training.physical.calibration_setup import calibration_windows
from hybrid_pde.training.physical.learnable_values import learnable_values
from hybrid_pde.training.physical.minimum import CONVERGED
from hybrid_pde.training.physical.physical_trainer import PhysicalTrainer

FAILED, UNDETERMINED = "failed", "not_determined"
# Training simulations that are tried in turn to select the scheme of all.
REFERENCES = 3

logger = logging.getLogger(__name__)
Estimate = dict[str, Any]


class SimulationCalibrator:
    """Estimates the parameters of single simulations.

    Held-out simulations are calibrated on their first frames, see
    :func:`~hybrid_pde.config.derived.context_of`; the others on all of theirs. Values that the
    files state for the parameters are not seen.

    Args:
        experiment: Sections ``model.physical``, ``trainer_params`` and ``data.observations``.
        store: The simulations.

    Attributes:
        numerics: The scheme of all simulations and the comparison that selected it, as in
            ``parameters.yaml``; ``None`` before :meth:`select_scheme`.
    """

    def __init__(self, experiment: Experiment, store: SimulationStore) -> None:
        self.experiment, self._store = experiment, store
        self._model = ModelRegistry(experiment).get_physical_model()
        self._given = self._model.numerics, self._model.discretization
        self._initial = initial_values(self._model.spec, experiment)
        self._own = own_parameters(experiment)
        self.numerics: dict[str, Any] | None = None
        self._reference: Estimate | None = None

    def select_scheme(self) -> None:
        """Let a training simulation select the scheme of all, where the experiment names none.

        The first of ``train_sim`` whose calibration converges decides, so every job finds the same.

        Raises:
            CalibrationError: if none of the first simulations can be calibrated.
        """
        if self._given[0].scheme != "auto" or self._given[0].order is not None:
            return
        found: list[Estimate] = []
        for index in self.experiment.trainer_params.physical.train_sim[:REFERENCES]:
            found.append(self._calibrate(index))
            if found[-1]["status"] == CONVERGED:
                break
        else:
            found = [each for each in found if each["status"] != FAILED] or found
        if found[-1]["status"] == FAILED:
            raise CalibrationError(
                "trainer_params.train_sim: none of the simulations "
                f"{[each['simulation'] for each in found]}, on which the schemes are compared, can "
                f"be calibrated: {found[-1]['error']}"
            )
        self._reference, self.numerics = found[-1], found[-1]["numerics"]

    def calibrate(self, index: int) -> Estimate:
        """Estimate the parameters of a simulation; an error is part of the result.

        Returns:
            As JSON types ``simulation``, ``file``, ``frames`` (number used), ``status``,
            ``parameters`` (as in ``parameters.yaml``), ``loss``, ``iterations``, ``numerics``,
            ``history``, ``known`` (stated values by parameter), ``warnings``, ``error``.
        """
        reference = self._reference
        if reference is None:
            return self._calibrate(index)
        if reference["simulation"] == index:
            return reference
        return _with_scheme_part(self._calibrate(index), reference)

    def _calibrate(self, index: int) -> Estimate:
        estimate: Estimate = {"simulation": index, "file": f"simulation {index}"}
        try:
            header = self._store.header(index)
            estimate["file"] = str(header.source.get("file", estimate["file"]))
            frames = header.num_frames
            if is_held_out(self.experiment, index):
                frames = context_of(self.experiment, frames)
            estimate |= {"frames": frames, "known": stated_values(header, self._own)}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResultWarning)  # they are part of the result
                estimate |= self._estimated(index, frames)
        except (StorageError, MachineError):
            raise  # all others would fail, too
        except (UserError, np.linalg.LinAlgError) as error:
            estimate |= {"status": FAILED, "error": str(error), "parameters": {}}
            logger.warning("simulation %d (%s): %s", index, estimate["file"], error)
            return estimate
        for text in estimate["warnings"]:
            logger.info("simulation %d (%s): %s", index, estimate["file"], text)
        return estimate

    def _estimated(self, index: int, frames: int) -> Estimate:
        trainer = self._trainer(index, frames)
        view = SimulationView(self._store, {index: (0, frames)}, hidden=self._own)
        windows = calibration_windows(trainer.experiment, view, use_sliding_window=False)
        result = trainer.train(windows, trainer.settings.epochs)
        status = result["status"]
        if any(each["value"] is None for each in result["parameters"].values()):
            status = UNDETERMINED
        loss = result["loss"]
        keys = ("parameters", "iterations", "numerics", "history", "warnings")
        return {
            **{key: result[key] for key in keys},
            "status": status,
            "loss": loss if isfinite(loss) else None,
            "error": None,
        }

    def _trainer(self, index: int, frames: int) -> PhysicalTrainer:
        """A trainer on one simulation, which starts at the initial guess."""
        model, training = self._model, self.experiment.trainer_params.physical
        model.set_parameters(self._initial)
        model.numerics, model.discretization = self._given
        used = self.numerics
        if used is not None and used["scheme"] in SCHEME_ORDERS:
            chosen = {key: used[key] for key in ("scheme", "order", "refine")}
            model.numerics = model.numerics.model_copy(update=chosen)
            model.discretization = Discretization(**chosen)
        steps = min(training.num_predict_steps, frames - 1)
        changes = {"train_sim": [index], "num_predict_steps": max(1, steps)}
        experiment = _with_training(self.experiment, changes)
        return PhysicalTrainer(experiment, model, learnable_values(experiment, model))


def stated_values(header: CacheHeader, names: Sequence[str]) -> dict[str, Any]:
    """Numbers that a simulation's file states for parameters, by name."""
    known = header.known_by_name
    return {
        name: list(values) if isinstance(values, tuple) else values
        for name in names
        if name in known and known[name].static and (values := known[name].values) is not None
    }


def _with_training(experiment: Experiment, changes: Mapping[str, Any]) -> Experiment:
    """The experiment with other settings of the calibration."""
    training = experiment.trainer_params
    physical = training.physical.model_copy(update=dict(changes))
    return experiment.model_copy(
        update={"trainer_params": training.model_copy(update={"physical": physical})}
    )


def _with_scheme_part(estimate: Estimate, reference: Estimate) -> Estimate:
    """The estimate with the spread of the schemes that were compared on another simulation.

    The spread is taken relative to the value. Where it is added, the interval grows by the factor
    by which the uncertainty does.
    """
    for name, parameter in estimate["parameters"].items():
        source = reference["parameters"].get(name, {})
        part = (source.get("uncertainty_parts") or {}).get("scheme")
        own = parameter.get("uncertainty_parts")
        if part is None or own is None or parameter["value"] is None or source["value"] is None:
            continue
        many = isinstance(parameter["value"], list)
        own["scheme"] = _each(
            many,
            lambda spread, there, here: spread * abs(here / there) if there else spread,
            part,
            source["value"],
            parameter["value"],
        )
        before = parameter["uncertainty"]
        parameter["uncertainty"] = total = _each(many, hypot, before, own["scheme"])
        parameter["interval_90"] = [
            _each(many, _widened, parameter["value"], limit, before, total)
            for limit in parameter["interval_90"]
        ]
        low, high = parameter["bounds"]
        lower, upper = parameter["interval_90"]
        parameter["interval_90"] = [
            _each(many, lambda x: x if low is None else max(x, low), lower),
            _each(many, lambda x: x if high is None else min(x, high), upper),
        ]
    return estimate


def _each(many: bool, function: Any, *values: Any) -> Any:
    """A function of numbers, or of the entries of lists."""
    return [function(*each) for each in zip(*values, strict=True)] if many else function(*values)


def _widened(value: float, limit: float, before: float, after: float) -> float:
    return value + (limit - value) * (after / before if before else 1.0)
