"""Models of an experiment."""

from collections.abc import Mapping
from typing import Any

from hybrid_pde.config import Experiment, parse_experiment
from hybrid_pde.data.cache.data_manager import DataManager
from hybrid_pde.domain.grid import Grid
from hybrid_pde.errors import RawDataError
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.models.synthetic.synthetic_model import SyntheticModel

Config = Mapping[str, Any] | Experiment


class ModelFactory:
    """Models by the names in ``model.physical`` and ``model.synthetic``."""

    @staticmethod
    def create_physical_model(config: Config) -> PhysicalModel:
        """The physical model, learnable parameters at their initial guesses.

        It is the model that a calibration starts from, even if there are results.
        :func:`hybrid_pde.load_physical_model` loads the calibrated one.

        Raises:
            ConfigError: if the experiment names none, or a parameter has no value.
        """
        return ModelRegistry(config).get_physical_model()

    @staticmethod
    def create_synthetic_model(config: Config, grid: Grid | None = None) -> SyntheticModel:
        """The surrogate with weights drawn from ``run_params.seed``.

        Its normalisation is that of data with mean 0 and standard deviation 1 until
        ``fit_normalization(dataset)`` sets it.

        Args:
            config: The experiment.
            grid: Grid of the data, by default that of the experiment's data set. Without data the
                grid has as many periodic axes as the fields suggest.

        Raises:
            ConfigError: if the experiment names none, or its specs do not fit.
        """
        experiment = parse_experiment(config)
        return ModelRegistry(experiment).get_synthetic_model(grid or _grid_of_data(experiment))


def _grid_of_data(experiment: Experiment) -> Grid | None:
    if not (experiment.data.dset_name and experiment.data.fields):
        return None
    try:
        return DataManager.from_experiment(experiment, claim=False).grid
    except RawDataError:
        if experiment.raw_dir.exists():
            raise
        return None
