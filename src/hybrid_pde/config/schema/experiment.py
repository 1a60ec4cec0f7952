"""The experiment as a whole; sections ``run_params``, ``evaluation_params``, ``workflow``."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, NonNegativeFloat, PositiveInt

from hybrid_pde.config.safe_names import experiment_name_problem
from hybrid_pde.config.schema.augmentation import AugmentationParams, HybridParams
from hybrid_pde.config.schema.data import DataParams
from hybrid_pde.config.schema.generation import GenerationParams
from hybrid_pde.config.schema.models import ModelParams
from hybrid_pde.config.schema.section import Index, Section
from hybrid_pde.config.schema.training import TrainerParams


def _experiment_name(name: str) -> str:
    problem = experiment_name_problem(name)
    if problem is not None:
        raise ValueError(f"{problem}; set another name; by default it is that of the file")
    return name


class RunParams(Section):
    """Name of the experiment and type of model to train."""

    experiment_name: Annotated[str, AfterValidator(_experiment_name)] | None = None
    model_type: Literal["synthetic", "physical", "hybrid"] = "hybrid"
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0


class EvaluationParams(Section):
    """Rollouts on held-out simulations; ``num_steps: null`` uses all frames after the first."""

    num_steps: PositiveInt | None = None
    long_factor: Index = 5


class WorkflowParams(Section):
    """How the stages are executed; changing it re-runs nothing."""

    sims_per_job: PositiveInt = 50
    checkpoint_every_s: NonNegativeFloat = 60.0
    tensorboard: bool = False
    compile: Literal["auto", "always", "never"] = "auto"


class Experiment(Section):
    """An experiment with all defaults filled in."""

    run_params: RunParams = RunParams()
    project_root: str = "."
    data: DataParams = DataParams()
    generation_params: GenerationParams | None = None
    model: ModelParams = ModelParams()
    trainer_params: TrainerParams = TrainerParams()
    augmentation: AugmentationParams = AugmentationParams()
    hybrid: HybridParams = HybridParams()
    evaluation_params: EvaluationParams = EvaluationParams()
    workflow: WorkflowParams = WorkflowParams()

    @property
    def name(self) -> str:
        """Name of the experiment and of its folder under ``results``."""
        return self.run_params.experiment_name or "experiment"

    @property
    def raw_dir(self) -> Path:
        """Folder of the data set's raw files."""
        return Path(self.project_root) / self.data.data_dir / self.data.dset_name

    @property
    def cache_root(self) -> Path:
        """Folder of the caches of all data sets."""
        cache_dir = self.data.cache_dir or str(Path(self.data.data_dir) / "cache")
        return Path(self.project_root) / cache_dir
