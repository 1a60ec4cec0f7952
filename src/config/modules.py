"""Which module holds each built-in model; kept apart so that naming one imports none."""

from collections.abc import Mapping

EQUATION_MODULES: Mapping[str, str] = {
    "BurgersPDE": "src.models.physical.burgers",
    "AdvectionDiffusionPDE": "src.models.physical.advection_diffusion",
    "AllenCahnPDE": "src.models.physical.allen_cahn",
}
ARCHITECTURES: Mapping[str, str] = {"UNet": "src.models.synthetic.unet"}
# module and class of each one's options, which need no PyTorch
ARCHITECTURE_OPTIONS: Mapping[str, tuple[str, str]] = {
    "UNet": ("src.models.synthetic.unet_architecture", "UNetArchitecture"),
}
