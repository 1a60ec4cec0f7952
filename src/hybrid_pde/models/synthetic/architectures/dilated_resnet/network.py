"""Residual network of dilated convolutions in one, two or three dimensions.

Source: Stachenfeld et al. (2022), ICLR, "Learned coarse models for efficient turbulence
simulation" (Dil-ResNet), here with the activation before each convolution.

Layout: ``B`` windows, ``C`` channels, ``X Y Z`` space.
"""

from torch import nn

from hybrid_pde.models.synthetic.architectures.dilated_resnet.options import (
    DilatedResNetArchitecture,
)
from hybrid_pde.models.synthetic.convolutional_model import ConvolutionalModel
from hybrid_pde.models.synthetic.layers import Stack, residual_block


class DilatedResNet(ConvolutionalModel[DilatedResNetArchitecture]):
    """Surrogate whose step is a dilated ResNet; options of :class:`DilatedResNetArchitecture`.

    It sees far without lowering the resolution, so on a periodic grid it commutes with every shift.

    Raises:
        ConfigError: for an option that is unknown or wrong.
    """

    options_class = DilatedResNetArchitecture

    def make_network(self) -> nn.Module:
        """``blocks`` residual blocks with a convolution for each dilation."""
        options, channels = self.options, self.options.hidden_channels
        blocks = [
            residual_block(
                channels, channels, options, options.norm, self.hidden_boundary, options.dilations
            )
            for _ in range(options.blocks)
        ]
        return Stack(
            self.network_in_channels, self.network_out_channels, options, blocks, self.spatial_dims
        )
