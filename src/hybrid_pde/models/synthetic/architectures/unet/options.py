"""The options of a U-Net; kept apart so that an experiment is checked without PyTorch."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from hybrid_pde.errors import ConfigError
from hybrid_pde.models.synthetic.architecture_options import KEY, ConvolutionArchitecture, Sides


class UNetArchitecture(ConvolutionArchitecture):
    """What ``model.synthetic.architecture`` may say for a ``UNet``.

    Attributes:
        hidden_channels: Channels on the finest level; each coarser level has twice as many.
        depth: Number of times that the resolution is halved. A step sees about 10 points in each
            direction with 1, 20 with 2, 40 with 3 (kernels of 3, one block); what moves farther
            in a time step needs a larger depth.
        norm: ``group`` normalises the channels of each sample in up to 8 groups.
        blocks: Residual blocks on every level, on the way down and on the way up.
    """

    name: ClassVar[str] = "UNet"
    depth: int = Field(default=1, ge=0, le=8)
    norm: Literal["group", "none"] = "none"
    blocks: PositiveInt = 1

    def check_grid(self, space: Sequence[int], boundary: Sides) -> None:
        """Refuse a grid whose coarsest level is smaller than half a kernel."""
        smallest = max(1, self.reach)
        if any(-(-size // 2**self.depth) < smallest for size in space):
            raise ConfigError(
                f"{KEY}.depth: {self.depth}: the grid of {list(space)} points has fewer than "
                f"{smallest} on its coarsest level; choose a smaller depth or kernel_size"
            )
