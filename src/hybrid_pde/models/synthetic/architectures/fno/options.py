"""Options of a Fourier neural operator; no PyTorch."""

from typing import ClassVar

from pydantic import Field, PositiveInt

from hybrid_pde.models.synthetic.architecture_options import Architecture


class FNOArchitecture(Architecture):
    """Options in ``model.synthetic.architecture`` of an ``FNO``.

    Attributes:
        modes: Fourier modes that a layer transforms along each axis, half of them of either sign;
            a grid with fewer points has fewer. Shorter waves pass a layer point by point.
        layers: Fourier layers.
        padding: Share of an axis with walls that is added at each of its sides before the first
            layer, as the boundary says, and cut off behind the last; a periodic axis needs none.
    """

    name: ClassVar[str] = "FNO"
    needs: ClassVar[tuple[str, str] | None] = ("neuralop", "neuraloperator==2.0.0")

    hidden_channels: PositiveInt = 32
    modes: int = Field(default=16, ge=2, multiple_of=2)
    layers: PositiveInt = 4
    padding: float = Field(default=0.25, ge=0.0, le=1.0)
