from .architectures.convnet.network import ConvNet as ConvNet
from .architectures.dilated_resnet.network import DilatedResNet as DilatedResNet
from .architectures.fno.network import FNO as FNO
from .architectures.resnet.network import ResNet as ResNet
from .architectures.unet.network import UNet as UNet
from .synthetic_model import SyntheticModel as SyntheticModel
from .synthetic_predictor import SyntheticPredictor as SyntheticPredictor

__all__ = [
    "ConvNet",
    "DilatedResNet",
    "FNO",
    "ResNet",
    "SyntheticModel",
    "SyntheticPredictor",
    "UNet",
]
