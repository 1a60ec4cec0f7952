"""Which module holds each built-in model; kept apart so that naming one imports none."""

from collections.abc import Mapping

EQUATION_MODULES: Mapping[str, str] = {
    "BurgersPDE": "hybrid_pde.models.physical.equations.burgers",
    "AdvectionDiffusionPDE": "hybrid_pde.models.physical.equations.advection_diffusion",
    "DiffusionPDE": "hybrid_pde.models.physical.equations.diffusion",
    "AllenCahnPDE": "hybrid_pde.models.physical.equations.allen_cahn",
    "FisherKPPPDE": "hybrid_pde.models.physical.equations.fisher_kpp",
    "FitzHughNagumoPDE": "hybrid_pde.models.physical.equations.fitzhugh_nagumo",
    "GrayScottPDE": "hybrid_pde.models.physical.equations.gray_scott",
    "KortewegDeVriesPDE": "hybrid_pde.models.physical.equations.korteweg_de_vries",
    "KuramotoSivashinskyPDE": "hybrid_pde.models.physical.equations.kuramoto_sivashinsky",
    "NavierStokesPDE": "hybrid_pde.models.physical.equations.navier_stokes",
}
ARCHITECTURES: Mapping[str, str] = {
    "UNet": "hybrid_pde.models.synthetic.architectures.unet.network",
    "ResNet": "hybrid_pde.models.synthetic.architectures.resnet.network",
    "DilatedResNet": "hybrid_pde.models.synthetic.architectures.dilated_resnet.network",
    "ConvNet": "hybrid_pde.models.synthetic.architectures.convnet.network",
    "FNO": "hybrid_pde.models.synthetic.architectures.fno.network",
}
# module and class of each one's options, which need no PyTorch
ARCHITECTURE_OPTIONS: Mapping[str, tuple[str, str]] = {
    "UNet": ("hybrid_pde.models.synthetic.architectures.unet.options", "UNetArchitecture"),
    "ResNet": ("hybrid_pde.models.synthetic.architectures.resnet.options", "ResNetArchitecture"),
    "DilatedResNet": (
        "hybrid_pde.models.synthetic.architectures.dilated_resnet.options",
        "DilatedResNetArchitecture",
    ),
    "ConvNet": ("hybrid_pde.models.synthetic.architectures.convnet.options", "ConvNetArchitecture"),
    "FNO": ("hybrid_pde.models.synthetic.architectures.fno.options", "FNOArchitecture"),
}
