"""Options of a residual network; no PyTorch."""

from typing import ClassVar, Literal

from pydantic import PositiveInt

from hybrid_pde.models.synthetic.architecture_options import ConvolutionArchitecture


class ResNetArchitecture(ConvolutionArchitecture):
    """Options in ``model.synthetic.architecture`` of a ``ResNet``."""

    name: ClassVar[str] = "ResNet"
    norm: Literal["group", "none"] = "none"
    """`group` normalizes the channels of each sample in up to 8 groups."""
    blocks: PositiveInt = 4
    """Residual blocks of two convolutions each. A step sees `2 blocks + 1` times half a kernel in
    each direction.
    """
