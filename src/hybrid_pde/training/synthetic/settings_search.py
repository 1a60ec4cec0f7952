"""Search for the learning rate and the rollout length of a training by short trainings."""

import copy
import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

from torch.utils.data import DataLoader

from hybrid_pde.config.schema import CompleteTraining, Experiment
from hybrid_pde.data.windows.augmented_dataset import AugmentedDataset
from hybrid_pde.errors import DivergenceError
from hybrid_pde.evaluation.history import Row
from hybrid_pde.evaluation.number_format import plural
from hybrid_pde.models.synthetic.synthetic_model import SyntheticModel
from hybrid_pde.training.synthetic.automatic_settings import EPOCHS, needs_long_rollouts
from hybrid_pde.training.synthetic.data_loaders import batches
from hybrid_pde.training.synthetic.synthetic_trainer import SyntheticTrainer
from hybrid_pde.training.synthetic.tensor_trainer import ProgressCallback
from hybrid_pde.training.synthetic.training_windows import RealWindows

LEARNING_RATES = (1e-3, 3e-3, 1e-2)
ROLLOUTS = (2, 4)  # multiples of the first length
SHARE = 0.06  # of the work of the training that a short training takes
MARGIN = 0.95  # a longer rollout has to reduce the error to this share, since it costs more

logger = logging.getLogger(__name__)

Candidate = dict[str, Any]  # `learning_rate` and `num_predict_steps`


class SettingsSearch:
    """Short trainings with other learning rates, then with longer rollouts, of as much work each.

    Each starts from the initial weights, has a whole schedule, and is followed by rollouts of the
    validation simulations. The result depends on seed, data and settings alone.

    Args:
        experiment: The experiment with complete settings.
        model: The surrogate, which stays as it is.
        open_settings: The settings that are open.
        windows_of: Training windows for complete settings.
        validate: Error of a model on the validation simulations.
        rows: Short trainings that were made before, which are not repeated.
        most_steps: Largest number of steps that the simulations have.
    """

    def __init__(
        self,
        experiment: Experiment,
        model: SyntheticModel,
        open_settings: Sequence[str],
        windows_of: Callable[[CompleteTraining], RealWindows | AugmentedDataset],
        validate: Callable[[SyntheticModel], float | None],
        rows: list[Row],
        most_steps: int,
    ) -> None:
        training = experiment.trainer_params.synthetic
        assert isinstance(training, CompleteTraining)
        self.rows = rows
        self._experiment, self._model, self._training = experiment, model, training
        self._open, self._windows_of, self._validate = open_settings, windows_of, validate
        self._lengths = self._possible_lengths(most_steps)

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
        first, rate = self._training.num_predict_steps, self._training.learning_rate
        found: list[Row] = []

        def tried(rate: float, steps: int) -> float:
            row = self._row(len(found), rate, steps, on_row, on_progress)
            found.append(row)
            return math.inf if row["val_vrmse"] is None else row["val_vrmse"]

        if "learning_rate" in self._open:
            errors = {each: tried(each, first) for each in LEARNING_RATES}
            if math.isfinite(min(errors.values())):
                rate = min(errors, key=errors.__getitem__)
            least = errors.get(rate, math.inf)
        elif self._lengths:
            least = tried(rate, first)
        steps = first
        for longer in self._lengths:
            error = tried(rate, longer)
            if not error < MARGIN * least:
                break
            steps, least = longer, error
        chosen = {"learning_rate": rate, "num_predict_steps": steps}
        logger.info("chosen: learning rate %g, rollouts of %s", rate, plural(steps, "step"))
        return {name: value for name, value in chosen.items() if name in self._open}

    def _possible_lengths(self, most_steps: int) -> list[int]:
        """Rollout lengths to try besides the first; none where it has another reason."""
        is_fixed = (
            "num_predict_steps" not in self._open
            or needs_long_rollouts(self._training)
            or self._experiment.data.observations is not None
        )
        first = self._training.num_predict_steps
        return [] if is_fixed else [n * first for n in ROLLOUTS if n * first <= most_steps]

    def _row(
        self,
        number: int,
        rate: float,
        steps: int,
        on_row: Callable[[], None],
        on_progress: ProgressCallback | None,
    ) -> Row:
        """A short training, or what is known of it."""
        if number < len(self.rows):
            return self.rows[number]
        training = self._short(rate, steps)
        loader = batches(with_training(self._experiment, training), self._windows_of(training))
        row: Row = {
            "learning_rate": rate,
            "steps": steps,
            "optimizer_steps": len(loader) * training.epochs,
            "val_vrmse": self._error_after(training, loader, on_progress),
        }
        logger.info(
            "search: learning rate %g, rollouts of %s: validation VRMSE %s",
            rate,
            plural(steps, "step"),
            "unknown" if row["val_vrmse"] is None else f"{row['val_vrmse']:.3g}",
        )
        self.rows.append(row)
        on_row()
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
        loader: DataLoader[Any],
        on_progress: ProgressCallback | None,
    ) -> float | None:
        """Error on the validation simulations after a training of a copy of the model."""
        experiment = with_training(self._experiment, training)
        trainer = SyntheticTrainer(experiment, copy.deepcopy(self._model))
        try:
            trainer.train_epochs(loader, training.epochs, on_progress=on_progress)
            return self._validate(trainer.model)
        except DivergenceError:
            return math.inf


def with_training(experiment: Experiment, training: CompleteTraining) -> Experiment:
    """The experiment with other settings of the surrogate's training."""
    params = experiment.trainer_params.model_copy(update={"synthetic": training})
    return experiment.model_copy(update={"trainer_params": params})
