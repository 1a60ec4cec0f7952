"""One calibration with the library, as a user would run it."""

import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hybrid_pde.config import parse_experiment
from hybrid_pde.data.cache.data_manager import DataManager
from hybrid_pde.factories import TrainerFactory
from hybrid_pde.training.physical.calibration import Calibration


@dataclass(frozen=True)
class Fit:
    """Result of a calibration.

    Attributes:
        result: The dictionary returned by the trainer.
        seconds: Wall time of the calibration, without reading the data.
        cpu_seconds: Processor time of all threads.
        warnings: Messages of the warnings.
        calibration: The misfit at the estimate.
    """

    result: dict[str, Any]
    seconds: float
    cpu_seconds: float
    warnings: list[str]
    calibration: Calibration

    def value(self, name: str) -> Any:
        """Estimate of a parameter."""
        return self.result["parameters"][name]["value"]

    def std(self, name: str) -> Any:
        """Standard deviation of a parameter."""
        return self.result["parameters"][name]["std"]

    @property
    def scheme(self) -> str:
        """Name and order of the selected scheme."""
        used = self.result["numerics"]
        return f"{used['scheme']}-{used['order']}"


def fit(raw: Path, data: dict[str, Any], physical: dict[str, Any], training: dict[str, Any]) -> Fit:
    """Calibrate on raw files.

    Args:
        raw: Folder of the raw files.
        data: Keys of ``data`` beside the folder.
        physical: ``model.physical``.
        training: ``trainer_params``.
    """
    with tempfile.TemporaryDirectory() as cache:
        experiment = parse_experiment(
            {
                "run_params": {"model_type": "physical"},
                "data": {
                    "data_dir": str(raw.parent),
                    "dset_name": raw.name,
                    "cache_dir": cache,
                    **data,
                },
                "model": {"physical": physical},
                "trainer_params": {"train_sim": [0], **training},
            }
        )
        store = DataManager.from_experiment(experiment)
        dataset = TrainerFactory.create_dataset_for_physical(
            experiment, use_sliding_window=False, store=store
        )
        trainer = TrainerFactory.create_physical_trainer(experiment)
        begin, cpu = time.perf_counter(), time.process_time()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            result = trainer.train(dataset, 1)
        seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    said = [str(each.message) for each in caught if each.category is UserWarning]
    assert trainer.calibration is not None
    return Fit(result, seconds, cpu, said, trainer.calibration)
