"""A plain stack of convolutions in one, two or three dimensions.

Layout: ``B`` windows, ``C`` channels, ``X Y Z`` space.
"""

from torch import nn

from hybrid_pde.models.synthetic.architectures.convnet.options import ConvNetArchitecture
from hybrid_pde.models.synthetic.convolutional_model import ConvolutionalModel
from hybrid_pde.models.synthetic.layers import PreActivated, Stack


class ConvNet(ConvolutionalModel[ConvNetArchitecture]):
    """Surrogate whose step is a stack of convolutions; options of :class:`ConvNetArchitecture`.

    On a periodic grid it commutes with every shift. What moves farther in a time step than
    ``layers`` times half a kernel is out of its sight: the counterpart of a CFL condition.

    Raises:
        ConfigError: for an option that is unknown or wrong.
    """

    options_class = ConvNetArchitecture

    def make_network(self) -> nn.Module:
        """``layers`` convolutions and a 1-point one."""
        options, channels = self.options, self.options.hidden_channels
        layers = [
            PreActivated(channels, channels, options, nn.Identity(), self.hidden_boundary)
            for _ in range(options.layers - 1)
        ]
        return Stack(
            self.network_in_channels, self.network_out_channels, options, layers, self.spatial_dims
        )
