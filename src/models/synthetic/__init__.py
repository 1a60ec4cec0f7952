"""Neural surrogates, one architecture a file."""

from src.exports import on_first_use

_HOMES = {
    "ConvNet": "convnet",
    "DilatedResNet": "dilated_resnet",
    "FNO": "fno",
    "ResNet": "resnet",
    "SyntheticModel": "synthetic_model",
    "UNet": "unet",
}
__all__ = sorted(_HOMES)

__getattr__ = on_first_use(__name__, _HOMES)
