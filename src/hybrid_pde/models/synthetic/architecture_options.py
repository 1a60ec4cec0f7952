"""Base classes of the options of architectures; no PyTorch, so that checks are fast."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError, field_validator

from hybrid_pde.config.error_messages import suggest
from hybrid_pde.domain.grid import Side
from hybrid_pde.errors import ConfigError

KEY = "model.synthetic.architecture"
Sides = Sequence[tuple[Side, Side]]  # conditions on the (lower, upper) side of each axis


class Architecture(BaseModel):
    """Options in ``model.synthetic.architecture`` that every architecture has."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: ClassVar[str]
    """Value of ``model.synthetic.name``."""
    needs: ClassVar[tuple[str, str] | None] = None
    """Module and package that the architecture needs beside the requirements of the project."""

    spatial_dims: Literal[1, 2, 3] | None = None
    """Number of spatial axes. Without it, that of the data."""
    hidden_channels: PositiveInt = 16
    """Channels between the first layer and the last."""
    activation: Literal["gelu", "relu", "silu", "tanh"] = "gelu"
    """Function between the layers."""

    def check_grid(self, space: Sequence[int], boundary: Sides) -> None:
        """Reject a grid that the network cannot work on; by default none.

        Args:
            space: Number of points along each axis.
            boundary: Conditions on the sides of each axis.

        Raises:
            ConfigError: naming the option to change.
        """

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> Self:
        """The options with their defaults.

        Raises:
            ConfigError: naming every key that is wrong, its value, and what is allowed, or the
                package that is missing.
        """
        if cls.needs is not None and find_spec(cls.needs[0]) is None:
            raise ConfigError(
                f"model.synthetic.name: {cls.name}: needs the package {cls.needs[0]}, which is not "
                f"installed here; `pip install {cls.needs[1]}` installs it, or choose another "
                "architecture"
            )
        try:
            return cls.model_validate(dict(options))
        except ValidationError as error:
            lines = []
            for details in error.errors():
                key = ".".join(str(part) for part in details["loc"])
                if details["type"] == "extra_forbidden":
                    lines.append(f"{KEY}.{key}: the key {suggest(key, cls.model_fields)}")
                else:
                    lines.append(f"{KEY}.{key}: {details['input']!r}: {details['msg']}")
            raise ConfigError("\n".join(lines)) from None


class ConvolutionArchitecture(Architecture):
    """Options of convolutional networks."""

    kernel_size: PositiveInt = 3
    """Width of the convolutions, odd."""

    @property
    def reach(self) -> int:
        """Points that the widest convolution reaches in each direction."""
        return self.kernel_size // 2

    def check_grid(self, space: Sequence[int], boundary: Sides) -> None:
        """Reject a grid on which a kernel would wrap around a periodic axis more than once."""
        if min(space) < self.reach:
            raise ConfigError(
                f"{KEY}: a convolution sees {self.reach} points in each direction, and the grid "
                f"has {list(space)} points; choose smaller kernels or dilations"
            )

    @field_validator("kernel_size")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("must be odd, so that the kernel has a centre")
        return value
