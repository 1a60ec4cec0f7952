"""Options of a U-Net; no PyTorch."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from hybrid_pde.errors import ConfigError
from hybrid_pde.models.synthetic.architecture_options import KEY, ConvolutionArchitecture, Sides


class UNetArchitecture(ConvolutionArchitecture):
    """Options in ``model.synthetic.architecture`` of a ``UNet``."""

    name: ClassVar[str] = "UNet"
    hidden_channels: PositiveInt = 16
    """Channels on the finest level; each coarser level has twice as many."""
    depth: int = Field(default=1, ge=0, le=8)
    """Number of times the resolution is halved. A step sees about 10 points in each direction with
    1, 20 with 2, 40 with 3; anything that moves farther in a time step needs a larger depth.
    """
    norm: Literal["group", "none"] = "none"
    """`group` normalizes the channels of each sample in up to 8 groups."""
    blocks: PositiveInt = 1
    """Residual blocks on every level, both on the way down and on the way up."""

    def check_grid(self, space: Sequence[int], boundary: Sides) -> None:
        """Reject a grid with fewer points on the coarsest level than half a kernel."""
        smallest = max(1, self.reach)
        if any(-(-size // 2**self.depth) < smallest for size in space):
            raise ConfigError(
                f"{KEY}.depth: {self.depth}: the grid of {list(space)} points has fewer than "
                f"{smallest} on its coarsest level; choose a smaller depth or kernel_size"
            )
