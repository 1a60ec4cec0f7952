"""The experiment file's schema: every key, its type and its default.

The defaults here are the only ones; the tables in the documentation are made from this module.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    StrictBool,
    model_validator,
)

from hybrid_pde.config.raw_formats import RawFormat

Index = Annotated[int, Field(ge=0)]
Interval = tuple[float | None, float | None]
Number = float | list[float]


def _no_path(name: str) -> str:
    if name in {".", ".."} or set(name) & set("/\\\0"):
        raise ValueError("a folder's name, without a path")
    return name


def _experiment_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.\-]*", name):
        raise ValueError(
            "letters, digits, '_', '-' and '.' are allowed, the first a letter or a digit; "
            "where the experiment has no name, its file's is taken"
        )
    return name


FolderName = Annotated[str, AfterValidator(_no_path)]


class Section(BaseModel):
    """A frozen part of the experiment; unknown keys are refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        coerce_numbers_to_str=True,
        allow_inf_nan=False,
        protected_namespaces=(),
    )


class RunParams(Section):
    """What the experiment is called and what it trains."""

    experiment_name: Annotated[str, AfterValidator(_experiment_name)] | None = None
    model_type: Literal["synthetic", "physical", "hybrid"] = "hybrid"
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0


class SelectParams(Section):
    """The part of the raw data that is read."""

    time: Interval | None = None
    stride: PositiveInt = 1
    crop: dict[str, Interval] = {}
    coarsen: dict[str, PositiveInt] = {}


class ObservationParams(Section):
    """What a training may see of the training simulations, and the noise that is added."""

    times: list[float] | None = None
    every: PositiveInt = 1
    region: dict[str, Interval] = {}
    points: PositiveInt | None = None
    sensors: str | None = None
    noise: NonNegativeFloat = 0.0
    seed: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    missing: Literal["error", "mask"] = "error"

    @property
    def hides(self) -> bool:
        """Whether anything is kept from being seen; values that are missing are not counted."""
        asked = self.region or self.points is not None or self.sensors is not None
        return bool(self.times is not None or self.every > 1 or asked)


class DataParams(Section):
    """Where the raw files lie and how they are read."""

    data_dir: str = "data"
    dset_name: FolderName = ""
    fields: list[str] = []
    format: RawFormat = "auto"
    variables: dict[str, str | list[str]] = {}
    dims: dict[str, str] = {}
    domain: dict[str, tuple[float, float]] = {}
    boundary: Any = None
    time_unit: str | None = None
    select: SelectParams = SelectParams()
    known_parameters: dict[str, str] = {}
    cache_dir: str | None = None
    observations: ObservationParams | None = None


class GaussianRandomField(Section):
    """A smooth random field: Gaussian spectrum, zero phase correlation."""

    type: Literal["gaussian_random_field"] = "gaussian_random_field"
    amplitude: PositiveFloat = 1.0
    length_scale: PositiveFloat = 0.1
    mean: float = 0.0


class ResemblingField(Section):
    """The initial states of training simulations with their Fourier phases drawn anew."""

    type: Literal["resembling"] = "resembling"


class PerturbedField(Section):
    """States of training simulations, any frame of them, with smooth noise added.

    The noise resembles the state: it is the state with its Fourier phases drawn anew, less its
    mean, times ``amplitude``.
    """

    type: Literal["perturbed"] = "perturbed"
    amplitude: PositiveFloat = 0.1


class GivenStates(Section):
    """Initial states out of a file of raw data, one simulation after the other."""

    type: Literal["file"] = "file"
    path: str


InitialCondition = Annotated[
    GaussianRandomField | ResemblingField | PerturbedField | GivenStates,
    Field(discriminator="type"),
]


class GenerationParams(Section):
    """Raw files that the workflow simulates itself."""

    equation: str | None = None
    parameters: dict[str, Number] = {}
    num_simulations: PositiveInt = 10
    steps: PositiveInt = 40
    dt: PositiveFloat = 0.01
    resolution: dict[str, PositiveInt] = {"x": 64, "y": 64}
    domain: dict[str, tuple[float, float]] = {}
    initial_condition: GaussianRandomField = GaussianRandomField()
    diagnostics: list[Literal["pressure"]] = []
    seed: Annotated[int, Field(ge=0, lt=2**31)] | None = None


# The orders that each scheme has: of differences, and of the spectral scheme's time integrator.
SCHEME_ORDERS: dict[str, tuple[int, ...]] = {
    "auto": (2, 4, 6),
    "finite_difference": (2, 4, 6),
    "spectral": (2, 4),
    "weno": (),
    "semi_lagrangian": (),
    "mac_cormack": (),
}


class NumericsParams(Section):
    """How the physical model is discretized; the name of a scheme alone will do."""

    scheme: Literal[
        "auto", "spectral", "finite_difference", "weno", "semi_lagrangian", "mac_cormack"
    ] = "auto"
    order: Literal[2, 4, 6] | None = None
    refine: PositiveInt = 1
    substeps: PositiveInt | None = None
    precision: Literal["single", "double"] = "double"

    @model_validator(mode="before")
    @classmethod
    def _scheme_alone(cls, given: Any) -> Any:
        return {"scheme": given} if isinstance(given, str) else given


class PhysicalModelParams(Section):
    """The equation with the parameters that are known."""

    name: str
    module: str | None = None
    pde_params: dict[str, StrictBool | Number] = {}
    numerics: NumericsParams = NumericsParams()
    dt: PositiveFloat | None = None


class SyntheticModelParams(Section):
    """The surrogate's architecture, its inputs and outputs with their channels."""

    name: str
    module: str | None = None
    input_specs: dict[str, PositiveInt]
    output_specs: dict[str, PositiveInt]
    residual: bool = True
    bundle: PositiveInt = 1
    coordinates: Index = 0
    architecture: dict[str, Any] = {}


class ModelParams(Section):
    """The two models; an experiment needs those that its model type trains."""

    physical: PhysicalModelParams | None = None
    synthetic: SyntheticModelParams | None = None


class SharedTraining(Section):
    """Which simulations a stage sees, and how far it predicts from each start."""

    train_sim: list[Index] = []
    val_sim: list[Index] = []
    test_sim: list[Index] = []
    num_predict_steps: PositiveInt = 8


class GridValues(Section):
    """A field learned point by point.

    The loss gains ``smoothness`` times the mean square of L ∇κ/κ₀, with the length L of the domain
    along each axis and the initial guess κ₀.
    """

    type: Literal["grid"] = "grid"
    smoothness: NonNegativeFloat = 1e-6


class Gaussians(Section):
    """A field learned as a background and Gaussians, each with amplitude, centre and width.

    κ(x) = background + Σ a exp(−|x − c|² / w²), cut to ``clip``; without ``width`` it is learned.
    """

    type: Literal["gaussians"] = "gaussians"
    count: PositiveInt = 1
    background: float = 0.0
    width: PositiveFloat | None = None
    clip: Interval | None = None


class FourierModes(Section):
    """A field learned as its Fourier modes up to a wavenumber (cosines where not periodic)."""

    type: Literal["fourier"] = "fourier"
    modes: PositiveInt = 4


Parametrization = Annotated[GridValues | Gaussians | FourierModes, Field(discriminator="type")]


class Prior(Section):
    """A Gaussian belief about a parameter, in its own unit."""

    mean: float
    std: PositiveFloat


class LearnableParameter(Section):
    """A parameter of the equation that is estimated from the data."""

    name: str
    initial_guess: Number | list[Any] | dict[str, Any] | None = None
    bounds: Interval | None = None
    scale: Literal["auto", "linear", "log"] = "auto"
    prior: Prior | None = None
    parametrization: Parametrization | None = None


class PhysicalTraining(SharedTraining):
    """How the physical model's parameters are estimated."""

    learnable_parameters: list[LearnableParameter] = []
    method: Literal["gauss-newton", "L-BFGS-B", "adam", "sgd"] = "gauss-newton"
    epochs: PositiveInt = 1
    max_iterations: PositiveInt = 100
    abs_tol: NonNegativeFloat = 1e-6
    starts: PositiveInt = 1
    initial_state: Literal["known", "estimate"] = "known"
    check_discretization: bool = True
    learning_rate: PositiveFloat = 1e-3
    suppress_convergence_errors: bool = False


class Curriculum(Section):
    """Rollouts that grow from ``first_steps`` to all steps over a share of the epochs."""

    first_steps: PositiveInt = 1
    share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5


class SyntheticTraining(SharedTraining):
    """How the surrogate is trained."""

    epochs: PositiveInt = 100
    batch_size: PositiveInt = 32
    windows_per_epoch: PositiveInt | None = None
    learning_rate: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.0
    scheduler: Literal["constant", "cosine", "exponential", "one_cycle"] = "cosine"
    gradient_clip: PositiveFloat | None = 1.0
    accumulate: PositiveInt = 1
    curriculum: Curriculum | None = None
    pushforward: Index = 0
    input_noise: NonNegativeFloat = 0.0
    patience: PositiveInt | None = None
    validate_every: PositiveInt = 1
    keep: Literal["best", "last"] = "best"
    replicates: PositiveInt = 1
    precision: Literal["single", "bf16", "fp16"] = "single"
    devices: PositiveInt = 1
    compile: bool = False


class TrainerParams(SharedTraining):
    """Shared keys; each stage's section repeats them where it differs."""

    physical: PhysicalTraining = PhysicalTraining()
    synthetic: SyntheticTraining = SyntheticTraining()


class AugmentationParams(Section):
    """Simulations generated with the calibrated model.

    ``alpha`` is the share of generated windows among those drawn for training.
    """

    enabled: bool = True
    num_simulations: Index = 64
    alpha: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    steps: PositiveInt | None = None
    initial_condition: InitialCondition | None = None
    parameters: Literal["estimate", "distribution"] | dict[str, tuple[float, float]] = "estimate"
    symmetries: list[Literal["translation", "reflection", "rotation", "galilean"]] = []
    max_disk_mb: PositiveFloat | None = None
    max_left_out: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1


class HybridParams(Section):
    """How often the two models teach each other."""

    cycles: PositiveInt = 1
    interaction_weight: PositiveFloat = 0.1
    revert_if_worse: bool = True


class EvaluationParams(Section):
    """Held-out rollouts; ``num_steps: null`` takes all frames after the first."""

    num_steps: PositiveInt | None = None
    long_factor: Index = 5


class WorkflowParams(Section):
    """How the stages are run; changing it re-runs nothing."""

    sims_per_job: PositiveInt = 50
    checkpoint_every_s: NonNegativeFloat = 60.0
    tensorboard: bool = False


class Experiment(Section):
    """One experiment with every default filled in."""

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
        """The experiment's name, which is that of its folder under ``results``."""
        return self.run_params.experiment_name or "experiment"

    @property
    def raw_dir(self) -> Path:
        """Folder of the data set's raw files."""
        return Path(self.project_root) / self.data.data_dir / self.data.dset_name

    @property
    def cache_root(self) -> Path:
        """Folder that holds the caches of all data sets."""
        cache_dir = self.data.cache_dir or str(Path(self.data.data_dir) / "cache")
        return Path(self.project_root) / cache_dir
