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
    """Name of the folder in `results/`. Default: the file's stem."""
    model_type: Literal["synthetic", "physical", "hybrid"] = "hybrid"
    """What is trained. Default: the only model that `model` describes, else `hybrid`: calibrate the
    physical model, generate simulations with it, train the surrogate on these and the data.
    """
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seed of initial weights, the order of windows, and random initial states."""


class EvaluationParams(Section):
    """Rollouts on held-out simulations; ``num_steps: null`` uses all frames after the first."""

    num_steps: PositiveInt | None = None
    """Length of the rollouts on held-out simulations; `null` uses all frames."""
    long_factor: Index = 5
    """Length of the long rollouts relative to the held-out simulations; they are checked for
    blow-up and for their spectrum. 0 for none.
    """


class WorkflowParams(Section):
    """How the stages are executed; changing it re-runs nothing."""

    sims_per_job: PositiveInt = 50
    """Number of simulations that one job simulates, caches or generates."""
    checkpoint_every_s: NonNegativeFloat = 60.0
    """Longest time between two checkpoints of a training [s]; after epochs there are more if they
    are cheap.
    """
    tensorboard: bool = False
    """Writes TensorBoard scalars of the surrogate's training to `results/<name>/tensorboard/`;
    needs the package `tensorboard`.
    """
    compile: Literal["auto", "always", "never"] = "auto"
    """Whether time steps of finite differences and WENO are compiled by PyTorch's compiler, which
    needs a C++ compiler: `auto` where the work to come repays the seconds that it takes, `always`,
    or `never`. The results agree to rounding. Other steps of small states run in a compiled
    interpreter, unless it is `never`.
    """


class Experiment(Section):
    """An experiment with all defaults filled in."""

    run_params: RunParams = RunParams()
    reuse: str | None = None
    """Experiment whose calibration and generated simulations are taken over: its name, or the path
    of its file. All settings of the shared stages must be equal; see [sweep](command.md#sweep).
    """
    project_root: str = "."
    """Base folder of relative paths of data and modules."""
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
