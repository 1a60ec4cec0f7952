"""Section ``trainer_params``: calibration of the physical model, training of the surrogate."""

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from hybrid_pde.config.schema.section import FieldName, Index, Interval, Number, Section


class SharedTraining(Section):
    """Simulations that a stage uses, and the number of steps predicted from each start."""

    train_sim: list[Index] = []
    """Simulations to train on, counted from 0 over the raw files in the order of their names."""
    val_sim: list[Index] = []
    """Validation simulations; they change no weights."""
    test_sim: list[Index] = []
    """Simulations to evaluate on. If empty, the validation simulations are evaluated, and without
    those the training simulations; the report says so.
    """
    num_predict_steps: PositiveInt | None = None
    """Number of frames predicted from each start. Default: 8 in the calibration; for the surrogate
    the number is [chosen for the data](training.md#without-options).
    """


class GridValues(Section):
    """A field with one learned value per grid point.

    The loss includes ``smoothness`` times the mean square of L ∇κ/κ₀, with the domain length L
    along each axis and the initial guess κ₀.
    """

    type: Literal["grid"] = "grid"
    """A value at every grid point. `initial_guess` is a number."""
    smoothness: NonNegativeFloat = 1e-6
    """Weight of the mean square of the field's gradient in the loss, relative to the initial guess
    and the length of the domain.
    """


class Gaussians(Section):
    """A background plus Gaussians with learned amplitude, centre and width.

    κ(x) = background + Σ a exp(−|x − c|² / w²), clipped to ``clip``; ``width`` fixes the width.
    """

    type: Literal["gaussians"] = "gaussians"
    """A background and bumps, b + Σ a exp(−|x − c|²/w²). `initial_guess` is a mapping of
    `amplitude`, `centre` and `width`, each optional, with one value for each bump.
    """
    count: PositiveInt = 1
    """Number of bumps."""
    background: float = 0.0
    """The value far from all bumps [the parameter's unit]; it is not learned."""
    width: PositiveFloat | None = None
    """Width of every bump [length]. Without it, widths are learned."""
    clip: Interval | None = None
    """Smallest and largest value of the field [the parameter's unit]; `null` leaves a side open."""


class FourierModes(Section):
    """A field parametrized by low-wavenumber Fourier modes (cosines on non-periodic axes)."""

    type: Literal["fourier"] = "fourier"
    """Low-wavenumber modes: sines and cosines along a periodic axis, cosines between walls.
    `initial_guess` is a number, the constant to start from.
    """
    modes: PositiveInt = 4
    """Largest wavenumber along each axis."""


Parametrization = Annotated[GridValues | Gaussians | FourierModes, Field(discriminator="type")]


class Prior(Section):
    """A Gaussian prior of a parameter, in the parameter's unit."""

    mean: float
    """Most probable value [the parameter's unit]."""
    std: PositiveFloat
    """Standard deviation [the parameter's unit]."""


class LearnableParameter(Section):
    """An equation parameter estimated from the data."""

    name: FieldName
    """A parameter of the equation."""
    initial_guess: Number | list[Any] | dict[str, Any] | None = None
    """Start of the estimation: a number, or one for each axis or name. Default: the middle of the
    bounds, for positive bounds their geometric mean. For a field see its parametrization.
    """
    bounds: Interval | None = None
    """Lower and upper bound of every number, or of a field on the `grid`; `null` leaves a side
    open. Non-negative parameters stay so without bounds.
    """
    scale: Literal["auto", "linear", "log"] = "auto"
    """`log` learns the logarithm, which needs a lower bound above 0; `auto` does so for a
    non-negative parameter with bounds a factor of 100 or more apart.
    """
    prior: Prior | None = None
    """Prior knowledge, weighted against the data by the size of their errors."""
    parametrization: Parametrization | None = None
    """Parametrization of a field. Without it, the parameter is a number."""
    per_simulation: bool = False
    """`true` estimates a value for each simulation ([details](per_simulation.md))."""
    true_value: Number | None = None
    """A value from elsewhere that the report compares the estimate with: a number, or one for each
    axis or name. The calibration does not see it. Default: that of `generation_params`.
    """


class PhysicalTraining(SharedTraining):
    """Calibration of the physical model."""

    num_predict_steps: PositiveInt = 8
    """Number of frames predicted from each start."""
    learnable_parameters: list[LearnableParameter] = []
    """The parameters to estimate."""
    method: Literal["gauss-newton", "L-BFGS-B", "adam", "sgd"] = "gauss-newton"
    """`gauss-newton` and `L-BFGS-B` minimize over all windows at once; `adam` and `sgd` make one
    step per window.
    """
    epochs: PositiveInt = 1
    """Number of minimizations of `gauss-newton` and `L-BFGS-B`, more than one only useful after
    `max_iterations`; passes over the windows of `adam` and `sgd`.
    """
    max_iterations: PositiveInt = 100
    """Maximum number of iterations of a minimization."""
    abs_tol: NonNegativeFloat = 1e-6
    """Smallest relative change of the parameters that counts as progress."""
    starts: Annotated[int, Field(ge=1, le=1000)] = 1
    """Number of starting points: the initial guess, and others drawn within the bounds (if a bound
    is open, within three times the guess). `gauss-newton` and `L-BFGS-B` only.
    """
    initial_state: Literal["known", "estimate"] = "known"
    """`known` starts each window from its first frame as it is in the data; `estimate` treats that
    frame as an observation and estimates the true state. `gauss-newton` and `L-BFGS-B` only.
    """
    context_frames: Annotated[int, Field(ge=2)] | None = None
    """Frames of each held-out simulation that its own parameters are estimated from
    (`per_simulation: true`); it is evaluated on the rest. Default: a quarter.
    """
    check_discretization: bool = True
    """Repeats the estimate on a grid twice as fine (on up to four windows) and warns if it shifts.
    `gauss-newton` only.
    """
    uncertainty: Literal["laplace", "profile"] = "laplace"
    """`laplace`: `interval_90` is symmetric about the estimate, on a logarithmic scale about its
    logarithm, but for errors of known sign. `profile`: its ends are found by fitting all other
    parameters at fixed values of each one, so it may be asymmetric, or open where the data set no
    limit; `gauss-newton` and `L-BFGS-B`, for numbers that all simulations share.
    """
    learning_rate: PositiveFloat = 1e-3
    """Learning rate of `adam` and `sgd`, relative to the initial guess."""
    suppress_convergence_errors: bool = False
    """If a calibration diverges, keeps its best estimate (`status: diverged`) instead of failing.
    """


class Curriculum(Section):
    """Rollouts that grow from ``first_steps`` to full length over a share of the epochs."""

    first_steps: PositiveInt = 1
    """Steps per rollout in the first epoch."""
    share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5
    """Fraction of the epochs after which rollouts have all their steps."""


class SyntheticTraining(SharedTraining):
    """Training of the surrogate; ``null`` leaves a setting to the stage, see docs/training.md."""

    epochs: PositiveInt | None = None
    """Passes over the training windows. Default: the length is [a budget of optimizer
    steps](training.md#without-options).
    """
    batch_size: PositiveInt | None = None
    """Windows per step, of each process. Default: chosen for the grid and the network."""
    windows_per_epoch: PositiveInt | None = None
    """Windows drawn per epoch, each once before any repeats. Default: every real window once, and
    generated ones in proportion; more where `epochs` or `batch_size` is left out.
    """
    learning_rate: PositiveFloat | None = None
    """Initial learning rate of AdamW; for `one_cycle` the largest. Default: found by short
    trainings.
    """
    weight_decay: NonNegativeFloat = 0.0
    """Weight decay of AdamW."""
    scheduler: Literal["constant", "cosine", "exponential", "one_cycle"] | None = None
    """`cosine` and `exponential` lower the learning rate to 1 % over the epochs; `one_cycle` raises
    it over the first tenth of them and lowers it like `cosine` over the rest. Default: `one_cycle`,
    or `cosine` where `epochs` is given.
    """
    gradient_clip: PositiveFloat | None = 1.0
    """Largest norm of a step's gradient; `null` for no limit."""
    accumulate: PositiveInt = 1
    """Number of batches with gradients averaged into one step."""
    curriculum: Curriculum | None = None
    """Short rollouts at first. Without it, all rollouts have `num_predict_steps` steps."""
    pushforward: Index = 0
    """Maximum number of steps without gradient at the beginning of each rollout, drawn from 0 to
    this number for each batch (pushforward trick).
    """
    input_noise: NonNegativeFloat = 0.0
    """Standard deviation of the noise added to the predicted fields at the start of a training
    rollout, in units of their change over a step.
    """
    patience: PositiveInt | None = None
    """Number of validations without a smaller error after which training stops; needs `val_sim`.
    Default: no early stopping.
    """
    validate_every: PositiveInt = 1
    """Epochs between two rollouts of the validation simulations."""
    keep: Literal["best", "last"] = "best"
    """`best` keeps the weights with the smallest rollout error on the validation simulations,
    `last` the last ones. Without `val_sim` the last ones are kept.
    """
    replicates: PositiveInt = 1
    """Number of surrogates to train, with the seeds `run_params.seed`, + 1, …. The first is
    `synthetic_model.pt`; the evaluation reports mean and spread.
    """
    precision: Literal["single", "bf16", "fp16"] = "single"
    """`bf16` and `fp16` are mixed precision; `fp16` needs a GPU."""
    devices: PositiveInt = 1
    """Number of GPUs for one training, or of processes on the CPU; under `torchrun` and Slurm equal
    to the number of processes these start.
    """
    compile: bool = False
    """Compiles the network with `torch.compile`; worthwhile for long trainings."""


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
    """Settings of the calibration."""
    synthetic: SyntheticTraining = SyntheticTraining()
    """Settings of the surrogate's training."""
