"""Calibration of one simulation after the other, each with parameters of its own.

Simulations are independent problems. They share the model, so the graphs of its steps are traced
once, and the scheme, which one simulation selects for all.
"""

import logging
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np
import torch

from hybrid_pde.config.derived import (
    NUM_REFERENCES,
    context_of,
    is_held_out,
    own_parameters,
    shared_parameters,
)
from hybrid_pde.config.schema import SCHEME_ORDERS, Experiment
from hybrid_pde.data.cache.cache_header import CacheHeader
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.data.cache.simulation_view import SimulationView
from hybrid_pde.errors import CalibrationError, MachineError, StorageError, UserError
from hybrid_pde.models.physical.initial_parameters import initial_values
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.numerics.discretization import Discretization
from hybrid_pde.result_warnings import silent_warnings
from hybrid_pde.training.physical.added_uncertainty import add_uncertainty
from hybrid_pde.training.physical.calibration_setup import calibration_windows
from hybrid_pde.training.physical.learnable_values import learnable_values
from hybrid_pde.training.physical.minimum import CONVERGED
from hybrid_pde.training.physical.physical_trainer import PhysicalTrainer

FAILED, UNDETERMINED = "failed", "not_determined"

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
        model: The model; its parameters change with every calibration.
        initial: Initial values of all its parameters.
        numerics: The scheme of all simulations and the comparison that selected it, as in
            ``parameters.yaml``; ``None`` before :meth:`select_scheme`.
        reference: The estimate that selected the scheme; ``None`` if the experiment names one.
        shared: Values of the parameters that all simulations share; while it is empty, a
            simulation's calibration estimates these, too.
        trainer: Trainer of the last simulation that was calibrated without an error.
    """

    def __init__(self, experiment: Experiment, store: SimulationStore) -> None:
        self.experiment, self._store = experiment, store
        self.model = ModelRegistry(experiment).get_physical_model()
        self._given = self.model.numerics, self.model.discretization
        self.initial = initial_values(self.model.spec, experiment)
        self._own = own_parameters(experiment)
        self.numerics: dict[str, Any] | None = None
        self.reference: Estimate | None = None
        self.shared: dict[str, torch.Tensor] = {}
        self.trainer: PhysicalTrainer | None = None

    def select_scheme(self) -> None:
        """Let a training simulation select the scheme of all, where the experiment names none.

        The first of ``train_sim`` whose calibration converges decides, so every job finds the same.

        Raises:
            CalibrationError: if none of the first simulations can be calibrated.
        """
        if self._given[0].scheme != "auto" or self._given[0].order is not None:
            return
        found: list[Estimate] = []
        for index in self.experiment.trainer_params.physical.train_sim[:NUM_REFERENCES]:
            found.append(self._calibrate(index))
            if found[-1]["status"] == CONVERGED:
                break
        else:
            found = [each for each in found if each["status"] != FAILED] or found
        if found[-1]["status"] == FAILED:
            tried = [each["simulation"] for each in found]
            raise CalibrationError(
                f"trainer_params.train_sim: {tried}: the schemes are compared on the first of "
                f"these that can be calibrated, and none can: {found[-1]['error']}. List others "
                "first, or set scheme or substeps in model.physical.numerics"
            )
        self.reference, self.numerics = found[-1], found[-1]["numerics"]

    def calibrate(self, index: int) -> Estimate:
        """Estimate the parameters of a simulation; an error is part of the result.

        Returns:
            As JSON types ``simulation``, ``file``, ``frames`` (number used), ``status``,
            ``parameters`` (as in ``parameters.yaml``), ``loss``, ``iterations``, ``numerics``,
            ``history``, ``known`` (stated values by parameter), ``warnings``, ``error``.
        """
        reference = self.reference
        if reference is None:
            return self._calibrate(index)
        if reference["simulation"] == index and not self.shared:
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
            with silent_warnings():  # they are part of the result
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
        self.trainer = trainer
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
        model, training = self.model, self.experiment.trainer_params.physical
        model.set_parameters({**self.initial, **self.shared})
        model.numerics, model.discretization = self._given
        used = self.numerics
        if used is not None and used["scheme"] in SCHEME_ORDERS:
            chosen = {key: used[key] for key in ("scheme", "order", "refine")}
            model.numerics = model.numerics.model_copy(update=chosen)
            model.discretization = Discretization(**chosen)
        steps = min(training.num_predict_steps, frames - 1)
        learnable = [
            parameter.model_copy(update={"per_simulation": False})
            for parameter in training.learnable_parameters
            if parameter.name not in self.shared
        ]
        changes = {
            "train_sim": [index],
            "num_predict_steps": max(1, steps),
            "learnable_parameters": learnable,
        }
        experiment = _with_training(self.experiment, changes)
        trainer = PhysicalTrainer(experiment, model, learnable_values(experiment, model))
        trainer.can_estimate_states = not shared_parameters(self.experiment)
        return trainer


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

    The spread is taken relative to the value.
    """
    for name, parameter in estimate["parameters"].items():
        source = reference["parameters"].get(name, {})
        spread = (source.get("uncertainty_parts") or {}).get("scheme")
        parts = parameter.get("uncertainty_parts")
        if spread is None or parts is None or parameter["value"] is None:
            continue
        there, here = np.atleast_1d(source["value"]), np.atleast_1d(parameter["value"])
        extra = np.atleast_1d(spread) * np.abs(here / np.where(there == 0, here, there))
        parts["scheme"] = (
            extra.tolist() if isinstance(parameter["value"], list) else float(extra[0])
        )
        add_uncertainty(parameter, extra)
    return estimate
