"""Neural surrogates, one architecture a file; importing the package loads none of them."""

from typing import Any

__all__ = ["SyntheticModel", "UNet"]


def __getattr__(name: str) -> Any:
    if name == "SyntheticModel":
        from src.models.synthetic.synthetic_model import SyntheticModel

        return SyntheticModel
    if name == "UNet":
        from src.models.synthetic.unet import UNet

        return UNet
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
