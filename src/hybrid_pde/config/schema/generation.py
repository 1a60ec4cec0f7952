"""Section ``generation_params`` and the initial conditions of simulations."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from hybrid_pde.config.schema.section import Number, Section


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
