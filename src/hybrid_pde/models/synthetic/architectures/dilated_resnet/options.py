"""The options of a dilated residual network; no PyTorch."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveInt

from hybrid_pde.models.synthetic.architecture_options import ConvolutionArchitecture


class DilatedResNetArchitecture(ConvolutionArchitecture):
    """What ``model.synthetic.architecture`` may say for a ``DilatedResNet``.

    Attributes:
        norm: ``group`` normalises the channels of each sample in up to 8 groups.
        blocks: Residual blocks.
        dilations: Distance of the points that each convolution of a block sees, in points. With
            the default a block sees 22 points in each direction.
    """

    name: ClassVar[str] = "DilatedResNet"
    norm: Literal["group", "none"] = "none"
    blocks: PositiveInt = 2
    dilations: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (1, 2, 4, 8, 4, 2, 1)

    @property
    def reach(self) -> int:
        """Points that the most dilated convolution sees in each direction."""
        return self.kernel_size // 2 * max(self.dilations)
