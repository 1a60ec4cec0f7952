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
    """`auto` fits the parameters with every scheme the grid allows on a short stretch of the data,
    and keeps the one with the smallest residual: finite differences of every order, `spectral` in
    periodic boxes, and `weno`, which is for shocks, if something is advected and the others do not
    explain the data. `semi_lagrangian` and `mac_cormack` smooth fields, which an estimate takes for
    diffusion.
    """
    order: Literal[2, 4, 6] | None = None
    """For `finite_difference` 2, 4 or 6 (default 4); with `auto` it selects these differences
    without a comparison. For `spectral` the order of the time steps, 2 or 4 (default 4). The other
    schemes have none.
    """
    # larger numbers exceed memory and time before they fail
    refine: Annotated[int, Field(ge=1, le=64)] = 1
    """Refinement factor of the solver's grid relative to the data's, along each axis."""
    substeps: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Time steps between two frames. Default: as many as stability requires. Not with `refine`."""
    precision: Literal["single", "double"] = "double"
    """Precision of rollouts; calibration always uses double precision."""

    @model_validator(mode="before")
    @classmethod
    def _scheme_alone(cls, given: Any) -> Any:
        return {"scheme": given} if isinstance(given, str) else given


class PhysicalModelParams(Section):
    """The equation, its known parameters, and its discretization."""

    name: str
    """An equation of the table below, or the name registered by the class in `module`."""
    module: str | None = None
    """Python file with a user-defined equation, relative to `project_root`. It is code: it is
    imported and runs with your permissions, already in a dry run.
    """
    pde_params: dict[str, StrictBool | Number] = {}
    """Values of known parameters, and options, by the names of the table below. A learnable
    parameter starts from its `initial_guess` regardless of its value here.
    """
    numerics: NumericsParams = NumericsParams()
    """Discretization of the equation."""
    dt: PositiveFloat | None = None
    """Time between frames [time], for data given to a trainer without a time step."""


class SyntheticModelParams(Section):
    """The surrogate's architecture, and the channels of its inputs and outputs."""

    name: str
    """An architecture, or the name registered by the class in `module`."""
    module: str | None = None
    """Python file with a user-defined surrogate, relative to `project_root`. It is code: it is
    imported and runs with your permissions, already in a dry run.
    """
    input_specs: dict[FieldName, PositiveInt]
    """Number of channels of each input: a field of the data (static if it is not an output), or a
    parameter of the equation, with one channel for each of its numbers.
    """
    output_specs: dict[FieldName, PositiveInt]
    """Number of channels of each predicted field; each must be an input, too."""
    residual: bool = True
    """`true` predicts the change over a step, `false` the state itself."""
    bundle: PositiveInt = 1
    """Number of frames predicted by one pass of the network (temporal bundling). A rollout of any
    length consists of such passes.
    """
    coordinates: Index | None = None
    """Number of harmonics of the position used as inputs: sines and cosines along a periodic axis,
    cosines between walls. For position-dependent effects, such as an unknown forcing. Default: 0,
    or 4 where [short trainings](training.md#without-options) become better with them.
    """
    potentials: StrictBool | None = None
    """`true` adds inputs that depend on the whole box: for each predicted field q the gradient of
    its potential, ∇φ with ∇²φ = q. It is the velocity of a vorticity field, and the force between
    the parts of a density. Default: `false`, or `true` where
    [short trainings](training.md#without-options) become better with it.
    """
    architecture: dict[str, Any] = {}
    """Options of the architecture, listed below."""


class ModelParams(Section):
    """The two models; an experiment needs the ones that its model type trains."""

    physical: PhysicalModelParams | None = None
    """The equation; `physical` and `hybrid` experiments need it."""
    synthetic: SyntheticModelParams | None = None
    """The surrogate; `synthetic` and `hybrid` experiments need it."""
