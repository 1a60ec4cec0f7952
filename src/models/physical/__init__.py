"""Differentiable PDE solvers on PhiFlow fields, one equation a file."""

from src.exports import on_first_use

_HOMES = {
    "AdvectionDiffusionPDE": "advection_diffusion",
    "AllenCahnPDE": "allen_cahn",
    "BurgersPDE": "burgers",
    "DiffusionPDE": "diffusion",
    "FisherKPPPDE": "fisher_kpp",
    "FitzHughNagumoPDE": "fitzhugh_nagumo",
    "GrayScottPDE": "gray_scott",
    "KortewegDeVriesPDE": "korteweg_de_vries",
    "KuramotoSivashinskyPDE": "kuramoto_sivashinsky",
    "NavierStokesPDE": "navier_stokes",
    "PhysicalModel": "physical_model",
}
__all__ = sorted(_HOMES)

__getattr__ = on_first_use(__name__, _HOMES)
