"""Surrogates around a plain network of the user.

Layout: ``B`` windows, ``C`` channels, ``X Y Z`` space.
"""

import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from hybrid_pde.errors import ConfigError
from hybrid_pde.models.synthetic.architecture_options import KEY
from hybrid_pde.models.synthetic.synthetic_model import SyntheticModel

_GIVEN = ("in_channels", "out_channels", "spatial_dims", "boundary")


def surrogate_of(given: type) -> type[SyntheticModel]:
    """The surrogate of a registered class.

    Args:
        given: A :class:`SyntheticModel`, which is returned unchanged, or a plain
            ``torch.nn.Module`` created by
            ``given(in_channels, out_channels, spatial_dims, boundary, **architecture)``, which maps
            ``[B, in_channels, *space]`` to ``[B, out_channels, *space]``. The input of a plain
            module is normalised and not padded. ``boundary`` has for each axis the conditions on
            its (lower, upper) side. ``in_channels`` and ``out_channels`` include the channels that
            ``coordinates`` and ``bundle`` add.

    Raises:
        TypeError: if it is neither.
    """
    if issubclass(given, SyntheticModel):
        return given
    if not issubclass(given, nn.Module):
        raise TypeError(f"{given.__name__}: a surrogate is a SyntheticModel or a torch.nn.Module")

    class OwnNetwork(SyntheticModel):
        """The surrogate around a plain network."""

        @classmethod
        def check_architecture(cls, architecture: Mapping[str, Any]) -> None:
            """Reject an architecture that the class of the network does not take."""
            try:
                inspect.signature(given).bind(**dict.fromkeys(_GIVEN), **architecture)
            except TypeError as error:
                raise ConfigError(
                    f"{KEY}: {dict(architecture)}: {given.__name__} takes "
                    f"({', '.join(_GIVEN)}, and these): {error}"
                ) from None

        def build_network(self, architecture: dict[str, Any]) -> nn.Module:
            """The network, made by its class."""
            self.check_architecture(architecture)
            return given(
                in_channels=self.network_in_channels,
                out_channels=self.network_out_channels,
                spatial_dims=self.spatial_dims,
                boundary=self.boundary,
                **architecture,
            )

    OwnNetwork.__name__ = OwnNetwork.__qualname__ = given.__name__
    OwnNetwork.__doc__ = given.__doc__
    return OwnNetwork
