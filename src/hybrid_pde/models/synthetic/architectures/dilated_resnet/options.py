"""Options of a dilated residual network; no PyTorch."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveInt

from hybrid_pde.models.synthetic.architecture_options import ConvolutionArchitecture


class DilatedResNetArchitecture(ConvolutionArchitecture):
    """Options in ``model.synthetic.architecture`` of a ``DilatedResNet``."""

    name: ClassVar[str] = "DilatedResNet"
    norm: Literal["group", "none"] = "none"
    """`group` normalizes the channels of each sample in up to 8 groups."""
    blocks: PositiveInt = 2
    """Residual blocks."""
    dilations: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (1, 2, 4, 8, 4, 2, 1)
    """Spacing of the points in each convolution of a block [points]. With kernels of 3, a block
    sees as many points in each direction as their sum.
    """

    @property
    def reach(self) -> int:
        """Points that the most dilated convolution sees in each direction."""
        return self.kernel_size // 2 * max(self.dilations)
