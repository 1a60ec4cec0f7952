"""Which module holds each built-in model; kept apart so that naming one imports none."""

from collections.abc import Mapping

EQUATION_MODULES: Mapping[str, str] = {
    "BurgersPDE": "src.models.physical.burgers",
    "AdvectionDiffusionPDE": "src.models.physical.advection_diffusion",
    "DiffusionPDE": "src.models.physical.diffusion",
    "AllenCahnPDE": "src.models.physical.allen_cahn",
    "FisherKPPPDE": "src.models.physical.fisher_kpp",
    "FitzHughNagumoPDE": "src.models.physical.fitzhugh_nagumo",
    "GrayScottPDE": "src.models.physical.gray_scott",
    "KortewegDeVriesPDE": "src.models.physical.korteweg_de_vries",
    "KuramotoSivashinskyPDE": "src.models.physical.kuramoto_sivashinsky",
    "NavierStokesPDE": "src.models.physical.navier_stokes",
}
ARCHITECTURES: Mapping[str, str] = {
    "UNet": "src.models.synthetic.unet",
    "ResNet": "src.models.synthetic.resnet",
    "DilatedResNet": "src.models.synthetic.dilated_resnet",
    "ConvNet": "src.models.synthetic.convnet",
    "FNO": "src.models.synthetic.fno",
}
# module and class of each one's options, which need no PyTorch
ARCHITECTURE_OPTIONS: Mapping[str, tuple[str, str]] = {
    "UNet": ("src.models.synthetic.unet_architecture", "UNetArchitecture"),
    "ResNet": ("src.models.synthetic.resnet_architecture", "ResNetArchitecture"),
    "DilatedResNet": (
        "src.models.synthetic.dilated_resnet_architecture",
        "DilatedResNetArchitecture",
    ),
    "ConvNet": ("src.models.synthetic.convnet_architecture", "ConvNetArchitecture"),
    "FNO": ("src.models.synthetic.fno_architecture", "FNOArchitecture"),
}
