"""Section ``generation_params`` and the initial conditions of simulations."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveFloat, PositiveInt

from hybrid_pde.config.schema.section import FieldName, Number, Section


class GaussianRandomField(Section):
    """A smooth random field: Gaussian spectrum, uncorrelated phases."""

    type: Literal["gaussian_random_field"] = "gaussian_random_field"
    """A smooth random field with a Gaussian spectrum, periodic on the box."""
    amplitude: PositiveFloat = 1.0
    """Standard deviation of every channel [the field's unit]."""
    length_scale: PositiveFloat = 0.1
    """Correlation length [length]."""
    mean: float = 0.0
    """Mean of every channel [the field's unit]."""


class GaussianBumps(Section):
    """Gaussian bumps at random places on a uniform background."""

    type: Literal["bumps"] = "bumps"
    """Gaussian bumps at random places on a uniform background."""
    count: PositiveInt = 1
    """Number of bumps."""
    width: PositiveFloat = 0.1
    """Width w of a bump exp(−r²/w²) [length]."""
    amplitude: float | dict[FieldName, float] = 1.0
    """Height of every bump, of all fields or by field; a field left out has none."""
    background: float | dict[FieldName, float] = 0.0
    """Value between the bumps, of all fields or by field; a field left out has 0."""


class ResemblingField(Section):
    """Initial states of training simulations with randomized Fourier phases."""

    type: Literal["resembling"] = "resembling"
    """Initial states of the training simulations with randomized Fourier phases."""


class PerturbedField(Section):
    """Frames of training simulations with smooth noise added.

    The noise has the spectrum of the state: it is the state with randomized Fourier phases, minus
    its mean, times ``amplitude``.
    """

    type: Literal["perturbed"] = "perturbed"
    """States from any frame of the training simulations, plus noise that resembles them."""
    amplitude: PositiveFloat = 0.1
    """Amplitude of the noise, in units of the state's standard deviation."""


class GivenStates(Section):
    """Initial states read from a raw data file, one simulation after the other."""

    type: Literal["file"] = "file"
    """The first frames of the simulations in a raw data file, in order."""
    path: str
    """The file, relative to `project_root`; it is read like the data set's raw files."""


def _random_field_by_default(condition: Any) -> Any:
    if isinstance(condition, Mapping) and "type" not in condition:
        return {"type": "gaussian_random_field", **condition}
    return condition


DrawnState = GaussianRandomField | GaussianBumps
InitialCondition = Annotated[
    DrawnState | ResemblingField | PerturbedField | GivenStates,
    Field(discriminator="type"),
]


class GenerationParams(Section):
    """Raw data simulated by the workflow."""

    equation: str | None = None
    """The equation to simulate. Default: `model.physical.name`."""
    parameters: dict[str, Number] = {}
    """True values of the equation's parameters."""
    ranges: dict[str, tuple[float, float]] = {}
    """Ranges of parameters that differ between the simulations, `{viscosity: [0.001, 0.1]}`: a
    value is drawn for each (in the logarithm if both ends are positive and a factor of 10 or more
    apart) and written to its file as a variable of that name, for `data.known_parameters`.
    """
    num_simulations: PositiveInt = 10
    """Number of raw files, one simulation each."""
    steps: PositiveInt = 40
    """Number of frames after the initial one."""
    dt: PositiveFloat = 0.01
    """Time between frames [time]."""
    resolution: dict[str, PositiveInt] = {"x": 64, "y": 64}
    """Number of cells along each axis; its keys are the axes."""
    domain: dict[str, tuple[float, float]] = {}
    """Lower and upper end of each axis [length]; `[0, 1]` for an axis that is not named."""
    initial_condition: Annotated[
        DrawnState, Field(discriminator="type"), BeforeValidator(_random_field_by_default)
    ] = GaussianRandomField()
    """Distribution of the initial states; the kinds are listed below."""
    diagnostics: list[Literal["pressure"]] = []
    """Derived fields to write as well; `pressure` is ½ |u|²."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    """Seed of the initial states. Default: `run_params.seed`."""
