"""The options of a U-Net; kept apart so that an experiment is checked without PyTorch."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, field_validator

from src.config.messages import suggest
from src.errors import ConfigError

KEY = "model.synthetic.architecture"


class UNetArchitecture(BaseModel):
    """What ``model.synthetic.architecture`` may say for a ``UNet``.

    Attributes:
        spatial_dims: Number of spatial axes; by default that of the data.
        hidden_channels: Channels on the finest level; each coarser level has twice as many.
        depth: Number of times that the resolution is halved. A step sees about 10 points in each
            direction with 1, 20 with 2, 40 with 3 (kernels of 3, one block); what moves farther
            in a time step needs a larger depth.
        kernel_size: Width of the convolutions, odd.
        activation: Function between the convolutions.
        norm: ``group`` normalises the channels of each sample in up to 8 groups.
        blocks: Residual blocks on every level, on the way down and on the way up.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    spatial_dims: Literal[1, 2, 3] | None = None
    hidden_channels: PositiveInt = 16
    depth: int = Field(default=1, ge=0, le=8)
    kernel_size: PositiveInt = 3
    activation: Literal["gelu", "relu", "silu", "tanh"] = "gelu"
    norm: Literal["group", "none"] = "none"
    blocks: PositiveInt = 1

    @field_validator("kernel_size")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("must be odd, so that the kernel has a centre")
        return value

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> "UNetArchitecture":
        """The options with their defaults.

        Raises:
            ConfigError: naming every key that is wrong, its value, and what is allowed.
        """
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
