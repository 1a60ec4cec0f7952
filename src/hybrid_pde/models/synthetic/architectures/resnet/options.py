"""The options of a residual network; no PyTorch."""

from typing import ClassVar, Literal

from pydantic import PositiveInt

from hybrid_pde.models.synthetic.architecture_options import ConvolutionArchitecture


class ResNetArchitecture(ConvolutionArchitecture):
    """What ``model.synthetic.architecture`` may say for a ``ResNet``.

    Attributes:
        norm: ``group`` normalises the channels of each sample in up to 8 groups.
        blocks: Residual blocks of two convolutions each. A step sees ``2 blocks + 1`` times half a
            kernel in each direction.
    """

    name: ClassVar[str] = "ResNet"
    norm: Literal["group", "none"] = "none"
    blocks: PositiveInt = 4
