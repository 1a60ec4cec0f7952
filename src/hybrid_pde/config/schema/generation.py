"""Section ``generation_params`` and the initial conditions of simulations."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from hybrid_pde.config.schema.section import Number, Section


class GaussianRandomField(Section):
    """A smooth random field: Gaussian spectrum, uncorrelated phases."""

    type: Literal["gaussian_random_field"] = "gaussian_random_field"
    amplitude: PositiveFloat = 1.0
    length_scale: PositiveFloat = 0.1
    mean: float = 0.0


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


InitialCondition = Annotated[
    GaussianRandomField | ResemblingField | PerturbedField | GivenStates,
    Field(discriminator="type"),
]


class GenerationParams(Section):
    """Raw data simulated by the workflow."""

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
