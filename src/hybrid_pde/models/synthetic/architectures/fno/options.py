"""Options of a Fourier neural operator; no PyTorch."""

from typing import ClassVar

from pydantic import Field, PositiveInt

from hybrid_pde.models.synthetic.architecture_options import Architecture


class FNOArchitecture(Architecture):
    """Options in ``model.synthetic.architecture`` of an ``FNO``."""

    name: ClassVar[str] = "FNO"
    needs: ClassVar[tuple[str, str] | None] = ("neuralop", "neuraloperator==2.0.0")

    hidden_channels: PositiveInt = 32
    """Channels between the first layer and the last."""
    modes: int = Field(default=16, ge=2, multiple_of=2)
    """Fourier modes a layer transforms along each axis, half of them of either sign, so an even
    number; shorter wavelengths pass a layer point by point.
    """
    layers: PositiveInt = 4
    """Fourier layers."""
    padding: float = Field(default=0.25, ge=0.0, le=1.0)
    """Fraction of an axis with walls that is added at each of its sides, according to the boundary,
    and finally cut off; a periodic axis needs none.
    """
