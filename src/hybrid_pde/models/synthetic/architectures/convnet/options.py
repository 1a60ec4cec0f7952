"""Options of a plain stack of convolutions; no PyTorch."""

from typing import ClassVar

from pydantic import PositiveInt

from hybrid_pde.models.synthetic.architecture_options import ConvolutionArchitecture


class ConvNetArchitecture(ConvolutionArchitecture):
    """Options in ``model.synthetic.architecture`` of a ``ConvNet``."""

    name: ClassVar[str] = "ConvNet"
    layers: PositiveInt = 6
    """Convolutions of `kernel_size`. A step sees `layers` times half a kernel in each direction."""
