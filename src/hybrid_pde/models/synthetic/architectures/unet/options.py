"""Options of a U-Net; no PyTorch."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field, PositiveInt

from hybrid_pde.errors import ConfigError
from hybrid_pde.models.synthetic.architecture_options import KEY, ConvolutionArchitecture, Sides

POINTS = 128  # along an axis; a depth of 1 sees a twelfth of them in each direction
MAX_DEPTH = 4  # by default; each level more has four times as many weights
FEWEST_POINTS = 8  # along an axis of the coarsest level, by default


class UNetArchitecture(ConvolutionArchitecture):
    """Options in ``model.synthetic.architecture`` of a ``UNet``."""

    name: ClassVar[str] = "UNet"
    hidden_channels: PositiveInt = 16
    """Channels on the finest level; each coarser level has twice as many."""
    depth: int = Field(default=1, ge=0, le=8)
    """Number of times the resolution is halved. A step sees about 10 points in each direction with
    1, 20 with 2, 40 with 3; anything that moves farther in a time step needs a larger depth. Where
    it is left out, axes of more than about 180 points have 2, of more than 360 points 3, of more
    than 720 points 4, so that a step sees as large a part of the domain.
    """
    norm: Literal["group", "none"] = "none"
    """`group` normalizes the channels of each sample in up to 8 groups."""
    blocks: PositiveInt = 1
    """Residual blocks on every level, both on the way down and on the way up."""

    @classmethod
    def for_grid(cls, options: Mapping[str, Any], space: Sequence[int]) -> dict[str, Any]:
        """The options with a depth that sees a twelfth of the longest axis, as far as it fits."""
        wanted = 1 + round(math.log2(max(space) / POINTS))
        possible = math.floor(math.log2(max(1, min(space) // FEWEST_POINTS)))
        depth = min(wanted, possible, MAX_DEPTH)
        return {"depth": depth, **options} if depth > 1 else dict(options)

    def check_grid(self, space: Sequence[int], boundary: Sides) -> None:
        """Reject a grid with fewer points on the coarsest level than half a kernel."""
        smallest = max(1, self.reach)
        if any(-(-size // 2**self.depth) < smallest for size in space):
            raise ConfigError(
                f"{KEY}.depth: {self.depth}: the grid of {list(space)} points has fewer than "
                f"{smallest} on its coarsest level; choose a smaller depth or kernel_size"
            )
