"""Section ``generation_params`` and the initial conditions of simulations."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveFloat, PositiveInt

from hybrid_pde.config.schema.section import FieldName, Number, Section


class GaussianRandomField(Section):
    """A smooth random field: Gaussian spectrum, uncorrelated phases."""

    type: Literal["gaussian_random_field"] = "gaussian_random_field"
    amplitude: PositiveFloat = 1.0
    length_scale: PositiveFloat = 0.1
    mean: float = 0.0


class GaussianBumps(Section):
    """Gaussian bumps at random places on a uniform background."""

    type: Literal["bumps"] = "bumps"
    count: PositiveInt = 1
    width: PositiveFloat = 0.1
    amplitude: float | dict[FieldName, float] = 1.0
    background: float | dict[FieldName, float] = 0.0


class ResemblingField(Section):
    """Initial states of training simulations with randomized Fourier phases."""

    type: Literal["resembling"] = "resembling"


class PerturbedField(Section):
    """Frames of training simulations with smooth noise added.

    The noise has the spectrum of the state: it is the state with randomized Fourier phases, minus
    its mean, times ``amplitude``.
    """

    type: Literal["perturbed"] = "perturbed"
    amplitude: PositiveFloat = 0.1


class GivenStates(Section):
    """Initial states read from a raw data file, one simulation after the other."""

    type: Literal["file"] = "file"
    path: str


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
    parameters: dict[str, Number] = {}
    ranges: dict[str, tuple[float, float]] = {}
    num_simulations: PositiveInt = 10
    steps: PositiveInt = 40
    dt: PositiveFloat = 0.01
    resolution: dict[str, PositiveInt] = {"x": 64, "y": 64}
    domain: dict[str, tuple[float, float]] = {}
    initial_condition: Annotated[
        DrawnState, Field(discriminator="type"), BeforeValidator(_random_field_by_default)
    ] = GaussianRandomField()
    diagnostics: list[Literal["pressure"]] = []
    seed: Annotated[int, Field(ge=0, lt=2**31)] | None = None
