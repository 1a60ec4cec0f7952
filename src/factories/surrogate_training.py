"""The training of the surrogate, on explicit stores and paths."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from src.config.schema import Experiment
from src.data.cache_manager import CacheManager
from src.data.simulation_store import SimulationStore
from src.evaluation.evaluate import evaluate
from src.evaluation.predictors import SyntheticPredictor
from src.factories.model_factory import ModelFactory
from src.factories.trainer_factory import batches, synthetic_dataset
from src.models.saved_model import save_synthetic_model
from src.models.synthetic.synthetic_model import SyntheticModel
from src.training.hybrid.hybrid_trainer import mix
from src.training.synthetic.checkpoint_folder import CheckpointFolder, Row, write_history
from src.training.synthetic.synthetic_trainer import SyntheticTrainer
from src.training.tensor_trainer import TensorTrainer

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SurrogateFiles:
    """Where a training of the surrogate leaves its results and its checkpoints.

    Attributes:
        model: ``synthetic_model.pt``.
        history: ``history.csv``.
        checkpoints: Folder of checkpoints, one sub-folder a training.
        checkpoint_every_s: Least time between two checkpoints [s].
    """

    model: Path
    history: Path
    checkpoints: Path
    checkpoint_every_s: float


class SurrogateTraining:
    """Trains the surrogate on real windows, and on generated ones where there are any.

    Args:
        experiment: Sections ``model.synthetic``, ``trainer_params`` and ``augmentation``.
        real: The training and validation simulations.
        generated: Store of generated simulations, if there is one.
        made: The generated simulations to train on.
    """

    def __init__(
        self,
        experiment: Experiment,
        real: SimulationStore,
        generated: CacheManager | None = None,
        made: Sequence[int] = (),
    ) -> None:
        self.experiment = experiment
        self._real = real
        self._generated, self._made = generated, made
        real_windows = synthetic_dataset(experiment, real)
        dataset = mix(experiment, real_windows, generated, made) if generated else real_windows
        self._loader = batches(experiment, dataset)
        self.model: SyntheticModel = ModelFactory.create_synthetic_model(experiment, real.grid)
        self.model.fit_normalization(dataset)
        self.trainer = SyntheticTrainer(experiment, self.model)

    def run(self, files: SurrogateFiles, identity: dict[str, Any]) -> list[Row]:
        """Train, going on from the last checkpoint, and write model and history.

        Args:
            files: Where results and checkpoints go.
            identity: Settings, code and inputs that decide the result; a checkpoint of another
                identity is not used.
        """
        total = self.experiment.trainer_params.synthetic.epochs
        with CheckpointFolder(files.checkpoints, identity, files.checkpoint_every_s) as folder:
            history = folder.resume(self.trainer)
            if self.trainer.epoch:
                logger.info("going on after epoch %d of %d", self.trainer.epoch, total)
            last = time.monotonic()

            def record(epoch: int, loss: float, trainer: TensorTrainer) -> None:
                nonlocal last
                history.append(
                    {
                        "epoch": epoch,
                        "train_loss": loss,
                        "val_vrmse": self._validation_error(),
                        "learning_rate": trainer.optimizer.param_groups[0]["lr"],
                        "seconds": round(time.monotonic() - last, 3),
                    }
                )
                last = time.monotonic()
                logger.info("epoch %d of %d: loss %.3g", epoch, total, loss)
                folder.save(trainer, history)

            self.trainer.train(self._loader, total - self.trainer.epoch, record)
            write_history(files.history, history)
            save_synthetic_model(
                files.model,
                self.model,
                self.experiment,
                self._real.grid,
                self._real.layouts,
                self._real.dt,
            )
            folder.remove()
        return history

    def inputs(self) -> dict[str, str]:
        """Digests of the simulations that decide the result, by file."""
        training = self.experiment.trainer_params.synthetic
        used = sorted({*training.train_sim, *training.val_sim})
        found = {f"real/{k}": v for k, v in self._real.manifest(used)["files"].items()}
        if self._generated is not None:
            files = self._generated.manifest(self._made)["files"]
            found |= {f"generated/{name}": digest for name, digest in files.items()}
        return found

    def _validation_error(self) -> float | None:
        """Mean VRMSE of rollouts over the validation simulations; ``None`` without any."""
        validation = self.experiment.trainer_params.synthetic.val_sim
        if not validation:
            return None
        self.model.eval()
        with torch.no_grad():
            simulations = ((index, self._real.load(index)) for index in validation)
            predictors = {"synthetic": SyntheticPredictor(self.model)}
            metrics = evaluate(simulations, predictors, split="validation", max_samples=0).metrics
        return metrics["synthetic"]["vrmse"]
