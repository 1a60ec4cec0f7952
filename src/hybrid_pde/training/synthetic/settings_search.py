"""Search for learning rate, network and rollout length of a training by short trainings."""

import copy
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import torch
from torch.utils.data import DataLoader

from hybrid_pde.config.checks.surrogate import SHIFTS, options_of
from hybrid_pde.config.schema import CompleteTraining, Experiment
from hybrid_pde.data.windows.augmented_dataset import AugmentedDataset
from hybrid_pde.errors import ConfigError, DivergenceError
from hybrid_pde.evaluation.history import Row
from hybrid_pde.evaluation.number_format import plural
from hybrid_pde.evaluation.predictors import persistence
from hybrid_pde.evaluation.validation import Validation
from hybrid_pde.models.synthetic.synthetic_model import SyntheticModel
from hybrid_pde.models.synthetic.synthetic_predictor import SyntheticPredictor
from hybrid_pde.training.synthetic.automatic_settings import EPOCHS, needs_long_rollouts
from hybrid_pde.training.synthetic.data_loaders import batches
from hybrid_pde.training.synthetic.synthetic_trainer import SyntheticTrainer
from hybrid_pde.training.synthetic.tensor_trainer import ProgressCallback
from hybrid_pde.training.synthetic.training_windows import RealWindows

LEARNING_RATES = (1e-3, 3e-3, 1e-2)
ROLLOUTS = (2, 4)  # multiples of the first length
GOOD = 0.2  # error relative to persistence's below which no other network is tried
DEPTH = 3  # of a U-Net that sees 40 points, for what acts far in a step, such as a pressure
HARMONICS = 4  # of the position, for a forcing or a medium that is no field of the data
SHARE = 0.06  # of the work of the training that a short training takes
MARGIN = 0.95  # what costs more has to reduce the error to this share

NETWORK = ("architecture", "coordinates", "potentials")  # settings of a network

logger = logging.getLogger(__name__)

# `learning_rate`, `num_predict_steps`, and those of the network
Candidate = dict[str, Any]


class SettingsSearch:
    """Short trainings with other learning rates, other networks, and longer rollouts.

    Another network, one that sees gradients of potentials, then a deeper U-Net, then one that sees
    positions, is tried where the best error is not yet a fifth of persistence's, with the best
    learning rate and the next smaller one. A network that is chosen is tried with the other rates,
    too.

    Each starts from the initial weights, has a whole schedule, and is followed by rollouts of the
    validation simulations. The result depends on seed, data and settings alone.

    Args:
        experiment: The experiment with complete settings.
        model: The surrogate, which stays as it is.
        open_settings: The settings that are open; ``architecture`` where a U-Net may be deeper.
        windows_of: Training windows for complete settings.
        compared: Rollouts of simulations that settings are compared by.
        rows: Short trainings that were made before, which are not repeated.
        most_steps: Largest number of steps that the simulations have.
    """

    def __init__(
        self,
        experiment: Experiment,
        model: SyntheticModel,
        open_settings: Sequence[str],
        windows_of: Callable[[CompleteTraining], RealWindows | AugmentedDataset],
        compared: Validation,
        rows: list[Row],
        most_steps: int,
    ) -> None:
        training = experiment.trainer_params.synthetic
        assert isinstance(training, CompleteTraining)
        self.rows = rows
        self._experiment, self._model, self._training = experiment, model, training
        self._open, self._windows_of, self._compared = open_settings, windows_of, compared
        self._lengths = self._possible_lengths(most_steps)
        self._best: Candidate = {
            "learning_rate": training.learning_rate,
            **model.network_settings,
            "num_predict_steps": training.num_predict_steps,
        }
        self._least = math.inf
        self._tried: list[Candidate] = []
        self._on_row: Callable[[], None] = lambda: None
        self._on_progress: ProgressCallback | None = None

    @property
    def is_hard(self) -> bool:
        """True if no short training came to a fifth of persistence's error."""
        return bool(self._tried) and self._least > self._good_error > 0

    @property
    def chooses_length(self) -> bool:
        """True if the length of rollouts is open, and the simulations are longer."""
        return bool(self._lengths)

    def run(
        self,
        on_row: Callable[[], None] = lambda: None,
        on_progress: ProgressCallback | None = None,
    ) -> Candidate:
        """The best settings of those that are open; the rows are in :attr:`rows`.

        Args:
            on_row: Called after each short training.
            on_progress: See :meth:`TensorTrainer.train`; its exceptions end the search.
        """
        if not ({"learning_rate", *NETWORK} & {*self._open} or self._lengths):
            return {}
        self._on_row, self._on_progress = on_row, on_progress
        given = self._best["learning_rate"]
        rates = LEARNING_RATES if "learning_rate" in self._open else (given,)
        for rate in rates:
            self._improves({"learning_rate": rate})
        small = self._best
        for name, value in self._other_networks():
            if self._least <= self._good_error:
                break
            for rate in self._rates_of_another_network(name, rates):
                self._improves({name: value, "learning_rate": rate}, MARGIN)
        if self._best is not small:
            for rate in rates:
                self._improves({"learning_rate": rate})
        for steps in self._lengths:
            if not self._improves({"num_predict_steps": steps}, MARGIN):
                break
        logger.info("chosen: %s", _words(self._best))
        return {name: value for name, value in self._best.items() if name in self._open}

    def _improves(self, changes: Candidate, margin: float = 1.0) -> bool:
        """Try the best settings with these changes, and keep them if they are better.

        Args:
            changes: Settings that are other than the best ones.
            margin: Largest error that is better, relative to the smallest so far.
        """
        candidate = {**self._best, **changes}
        if candidate in self._tried:
            return False
        error = self._row(candidate)["val_vrmse"]
        if error is None or not error < margin * self._least:
            return False
        self._best, self._least = candidate, error
        return True

    def _rates_of_another_network(self, name: str, rates: Sequence[float]) -> Sequence[float]:
        """The best rate and the next smaller one, which deeper networks may need.

        All of them for potentials: a network that cannot see what matters has the same large error
        with every rate.
        """
        if name == "potentials":
            return rates
        best = self._best["learning_rate"]
        return [best, *sorted((rate for rate in rates if rate < best), reverse=True)[:1]]

    def _other_networks(self) -> Iterator[tuple[str, Any]]:
        """Changes of the network, by the name of the setting."""
        if "potentials" in self._open:
            yield "potentials", True
        if "architecture" in self._open:
            yield "architecture", {**self._model.architecture, "depth": DEPTH}
        if "coordinates" in self._open:
            yield "coordinates", HARMONICS

    @cached_property
    def _good_error(self) -> float:
        """Error with which no other network is needed."""
        return GOOD * (self._compared.vrmse(persistence) or 0.0)

    def _possible_lengths(self, most_steps: int) -> list[int]:
        """Rollout lengths to try besides the first; none where it has another reason."""
        is_fixed = (
            "num_predict_steps" not in self._open
            or needs_long_rollouts(self._training)
            or self._experiment.data.observations is not None
        )
        first = self._training.num_predict_steps
        return [] if is_fixed else [n * first for n in ROLLOUTS if n * first <= most_steps]

    def _row(self, candidate: Candidate) -> Row:
        """A short training, or what is known of it."""
        self._tried.append(candidate)
        if len(self._tried) <= len(self.rows):
            return self.rows[len(self._tried) - 1]
        rate, steps = candidate["learning_rate"], candidate["num_predict_steps"]
        training = self._short(rate, steps)
        loader = batches(with_training(self._experiment, training), self._windows_of(training))
        row: Row = {
            "learning_rate": rate,
            **{name: candidate[name] for name in NETWORK},
            "steps": steps,
            "optimizer_steps": len(loader) * training.epochs,
            "val_vrmse": self._error_after(training, candidate, loader),
        }
        logger.info(
            "search: %s: validation VRMSE %s",
            _words(candidate),
            "unknown" if row["val_vrmse"] is None else f"{row['val_vrmse']:.3g}",
        )
        self.rows.append(row)
        self._on_row()
        return row

    def _short(self, rate: float, steps: int) -> CompleteTraining:
        """Settings of a short training, with fewer windows where its rollouts are longer."""
        training = self._training
        whole = training.epochs * (training.windows_per_epoch or len(self._windows_of(training)))
        count = SHARE * whole * training.num_predict_steps / steps
        batches_of_epoch = math.ceil(count / EPOCHS / training.batch_size)
        return training.model_copy(
            update={
                "learning_rate": rate,
                "num_predict_steps": steps,
                "epochs": EPOCHS,
                "windows_per_epoch": batches_of_epoch * training.batch_size,
                "compile": False,
            }
        )

    def _error_after(
        self,
        training: CompleteTraining,
        candidate: Candidate,
        loader: DataLoader[Any],
    ) -> float | None:
        """Error on the compared simulations after a training of a copy of the model."""
        experiment, model = with_training(self._experiment, training), copy.deepcopy(self._model)
        network = {name: candidate[name] for name in NETWORK}
        if network != model.network_settings:
            model.renew_network(**network)
        trainer = SyntheticTrainer(experiment, model)
        try:
            trainer.train_epochs(loader, training.epochs, on_progress=self._on_progress)
        except DivergenceError:
            return math.inf
        with torch.no_grad():
            return self._compared.vrmse(SyntheticPredictor(model.eval()))


def _words(candidate: Candidate) -> str:
    """The settings, for the log."""
    positions, steps = candidate["coordinates"], candidate["num_predict_steps"]
    return ", ".join(
        [
            f"learning rate {candidate['learning_rate']:g}",
            *(f"{name} {value}" for name, value in candidate["architecture"].items()),
            *([f"{plural(positions, 'harmonic')} of the position"] if positions else []),
            *(["gradients of potentials"] if candidate["potentials"] else []),
            f"rollouts of {plural(steps, 'step')}",
        ]
    )


def open_network_settings(
    experiment: Experiment, model: SyntheticModel, space: Sequence[int]
) -> list[str]:
    """Settings of the network that are open; a network of the user's own stays as it is.

    Args:
        experiment: Sections ``model.synthetic`` and ``augmentation``.
        model: The surrogate.
        space: Number of points along each axis.
    """
    section = experiment.model.synthetic
    if section is None or section.module is not None:
        return []
    found = []
    if section.name == "UNet" and "depth" not in section.architecture:
        options = options_of(section.name, {**section.architecture, "depth": DEPTH})
        try:
            options.check_grid(space, model.boundary)
            found.append("architecture")
        except ConfigError:
            logger.info("the grid has too few points for a U-Net of depth %d", DEPTH)
    found += ["potentials"] if section.potentials is None else []
    shifted = {*SHIFTS} & {*experiment.augmentation.symmetries}
    return [*found, "coordinates"] if section.coordinates is None and not shifted else found


def with_training(experiment: Experiment, training: CompleteTraining) -> Experiment:
    """The experiment with other settings of the surrogate's training."""
    params = experiment.trainer_params.model_copy(update={"synthetic": training})
    return experiment.model_copy(update={"trainer_params": params})


def with_network(experiment: Experiment, model: SyntheticModel) -> Experiment:
    """The experiment with the settings of the model's network."""
    section = experiment.model.synthetic
    assert section is not None
    section = section.model_copy(update=model.network_settings)
    models = experiment.model.model_copy(update={"synthetic": section})
    return experiment.model_copy(update={"model": models})
