"""Section ``model``: the physical and the synthetic model."""

from typing import Any, Literal

from pydantic import PositiveFloat, PositiveInt, StrictBool, model_validator

from hybrid_pde.config.schema.section import Index, Number, Section

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
