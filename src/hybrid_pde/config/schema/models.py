"""Section ``model``: the physical and the synthetic model."""

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, StrictBool, model_validator

from hybrid_pde.config.schema.section import FieldName, Index, Number, Section

# Orders of accuracy of each scheme: of the differences, or of the spectral time integrator.
SCHEME_ORDERS: dict[str, tuple[int, ...]] = {
    "auto": (2, 4, 6),
    "finite_difference": (2, 4, 6),
    "spectral": (2, 4),
    "weno": (),
    "semi_lagrangian": (),
    "mac_cormack": (),
}


class NumericsParams(Section):
    """Discretization of the physical model; may be given as the name of a scheme alone."""

    scheme: Literal[
        "auto", "spectral", "finite_difference", "weno", "semi_lagrangian", "mac_cormack"
    ] = "auto"
    order: Literal[2, 4, 6] | None = None
    # larger numbers exceed memory and time before they fail
    refine: Annotated[int, Field(ge=1, le=64)] = 1
    substeps: Annotated[int, Field(ge=1, le=10_000)] | None = None
    precision: Literal["single", "double"] = "double"

    @model_validator(mode="before")
    @classmethod
    def _scheme_alone(cls, given: Any) -> Any:
        return {"scheme": given} if isinstance(given, str) else given


class PhysicalModelParams(Section):
    """The equation, its known parameters, and its discretization."""

    name: str
    module: str | None = None
    pde_params: dict[str, StrictBool | Number] = {}
    numerics: NumericsParams = NumericsParams()
    dt: PositiveFloat | None = None


class SyntheticModelParams(Section):
    """The surrogate's architecture, and the channels of its inputs and outputs."""

    name: str
    module: str | None = None
    input_specs: dict[FieldName, PositiveInt]
    output_specs: dict[FieldName, PositiveInt]
    residual: bool = True
    bundle: PositiveInt = 1
    coordinates: Index = 0
    architecture: dict[str, Any] = {}


class ModelParams(Section):
    """The two models; an experiment needs the ones that its model type trains."""

    physical: PhysicalModelParams | None = None
    synthetic: SyntheticModelParams | None = None
