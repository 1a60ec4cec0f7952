"""The options of a plain stack of convolutions; no PyTorch."""

from typing import ClassVar

from pydantic import PositiveInt

from hybrid_pde.models.synthetic.architecture_options import ConvolutionArchitecture


class ConvNetArchitecture(ConvolutionArchitecture):
    """What ``model.synthetic.architecture`` may say for a ``ConvNet``.

    Attributes:
        layers: Convolutions of ``kernel_size``. A step sees ``layers`` times half a kernel in each
            direction.
    """

    name: ClassVar[str] = "ConvNet"
    layers: PositiveInt = 6
