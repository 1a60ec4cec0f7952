"""Residual network at full resolution in one, two or three dimensions.

Source: He et al. (2016), ECCV: activation before each convolution.

Layout: ``B`` windows, ``C`` channels, ``X Y Z`` space.
"""

from torch import nn

from hybrid_pde.models.synthetic.architectures.resnet.options import ResNetArchitecture
from hybrid_pde.models.synthetic.convolutional_model import ConvolutionalModel
from hybrid_pde.models.synthetic.layers import Stack, residual_block


class ResNet(ConvolutionalModel[ResNetArchitecture]):
    """Surrogate whose step is a residual network; the options are :class:`ResNetArchitecture`'s.

    On a periodic grid it commutes with every shift.

    Raises:
        ConfigError: for an option that is unknown or wrong.
    """

    options_class = ResNetArchitecture

    def make_network(self) -> nn.Module:
        """``blocks`` residual blocks of two convolutions."""
        options, channels = self.options, self.options.hidden_channels
        blocks = [
            residual_block(channels, channels, options, options.norm, self.hidden_boundary)
            for _ in range(options.blocks)
        ]
        return Stack(
            self.network_in_channels, self.network_out_channels, options, blocks, self.spatial_dims
        )
