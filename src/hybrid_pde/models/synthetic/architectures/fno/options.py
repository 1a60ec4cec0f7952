"""Options of a Fourier neural operator; no PyTorch."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field, PositiveInt

from hybrid_pde.domain.grid import PERIODIC
from hybrid_pde.errors import ConfigError
from hybrid_pde.models.synthetic.architecture_options import Architecture, Sides


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

    def check_grid(self, space: Sequence[int], boundary: Sides) -> None:
        """Reject odd numbers of points along a periodic axis that is not the last one.

        neuraloperator 2.0 shifts the modes there by one, so that the network would not commute with
        shifts.
        """
        for points, sides in zip(space[:-1], boundary[:-1], strict=True):
            if PERIODIC in sides and points % 2:
                raise ConfigError(
                    f"model.synthetic.name: FNO: the grid has {list(space)} points, and the "
                    "package neuraloperator needs an even number of them along periodic axes other "
                    "than the last; choose another architecture, or coarsen with data.select"
                )
