"""Section ``trainer_params``: calibration of the physical model, training of the surrogate."""

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from hybrid_pde.config.schema.section import FieldName, Index, Interval, Number, Section


class SharedTraining(Section):
    """Simulations that a stage uses, and the number of steps predicted from each start."""

    train_sim: list[Index] = []
    val_sim: list[Index] = []
    test_sim: list[Index] = []
    num_predict_steps: PositiveInt | None = None


class GridValues(Section):
    """A field with one learned value per grid point.

    The loss includes ``smoothness`` times the mean square of L ∇κ/κ₀, with the domain length L
    along each axis and the initial guess κ₀.
    """

    type: Literal["grid"] = "grid"
    smoothness: NonNegativeFloat = 1e-6


class Gaussians(Section):
    """A background plus Gaussians with learned amplitude, centre and width.

    κ(x) = background + Σ a exp(−|x − c|² / w²), clipped to ``clip``; ``width`` fixes the width.
    """

    type: Literal["gaussians"] = "gaussians"
    count: PositiveInt = 1
    background: float = 0.0
    width: PositiveFloat | None = None
    clip: Interval | None = None


class FourierModes(Section):
    """A field parametrized by low-wavenumber Fourier modes (cosines on non-periodic axes)."""

    type: Literal["fourier"] = "fourier"
    modes: PositiveInt = 4


Parametrization = Annotated[GridValues | Gaussians | FourierModes, Field(discriminator="type")]


class Prior(Section):
    """A Gaussian prior of a parameter, in the parameter's unit."""

    mean: float
    std: PositiveFloat


class LearnableParameter(Section):
    """An equation parameter estimated from the data."""

    name: FieldName
    initial_guess: Number | list[Any] | dict[str, Any] | None = None
    bounds: Interval | None = None
    scale: Literal["auto", "linear", "log"] = "auto"
    prior: Prior | None = None
    parametrization: Parametrization | None = None
    per_simulation: bool = False


class PhysicalTraining(SharedTraining):
    """Calibration of the physical model."""

    num_predict_steps: PositiveInt = 8
    learnable_parameters: list[LearnableParameter] = []
    method: Literal["gauss-newton", "L-BFGS-B", "adam", "sgd"] = "gauss-newton"
    epochs: PositiveInt = 1
    max_iterations: PositiveInt = 100
    abs_tol: NonNegativeFloat = 1e-6
    starts: Annotated[int, Field(ge=1, le=1000)] = 1
    initial_state: Literal["known", "estimate"] = "known"
    context_frames: Annotated[int, Field(ge=2)] | None = None
    check_discretization: bool = True
    uncertainty: Literal["laplace", "profile"] = "laplace"
    learning_rate: PositiveFloat = 1e-3
    suppress_convergence_errors: bool = False


class Curriculum(Section):
    """Rollouts that grow from ``first_steps`` to full length over a share of the epochs."""

    first_steps: PositiveInt = 1
    share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5


class SyntheticTraining(SharedTraining):
    """Training of the surrogate; ``null`` leaves a setting to the stage, see docs/training.md."""

    epochs: PositiveInt | None = None
    batch_size: PositiveInt | None = None
    windows_per_epoch: PositiveInt | None = None
    learning_rate: PositiveFloat | None = None
    weight_decay: NonNegativeFloat = 0.0
    scheduler: Literal["constant", "cosine", "exponential", "one_cycle"] | None = None
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


class CompleteTraining(SyntheticTraining):
    """Training of the surrogate with no setting left open.

    The defaults are those of a trainer that is used by itself, in Python.
    """

    num_predict_steps: PositiveInt = 8
    epochs: PositiveInt = 100
    batch_size: PositiveInt = 32
    learning_rate: PositiveFloat = 1e-3
    scheduler: Literal["constant", "cosine", "exponential", "one_cycle"] = "cosine"


# settings that are chosen for the data where an experiment does not give them
AUTOMATIC = ("num_predict_steps", "epochs", "batch_size", "learning_rate", "scheduler")


class TrainerParams(SharedTraining):
    """Settings of both stages; a stage's own section may override them."""

    physical: PhysicalTraining = PhysicalTraining()
    synthetic: SyntheticTraining = SyntheticTraining()
