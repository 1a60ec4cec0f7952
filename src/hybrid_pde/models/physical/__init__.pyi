from .equations.advection_diffusion import AdvectionDiffusionPDE as AdvectionDiffusionPDE
from .equations.allen_cahn import AllenCahnPDE as AllenCahnPDE
from .equations.burgers import BurgersPDE as BurgersPDE
from .equations.diffusion import DiffusionPDE as DiffusionPDE
from .equations.fisher_kpp import FisherKPPPDE as FisherKPPPDE
from .equations.fitzhugh_nagumo import FitzHughNagumoPDE as FitzHughNagumoPDE
from .equations.gray_scott import GrayScottPDE as GrayScottPDE
from .equations.korteweg_de_vries import KortewegDeVriesPDE as KortewegDeVriesPDE
from .equations.kuramoto_sivashinsky import KuramotoSivashinskyPDE as KuramotoSivashinskyPDE
from .equations.navier_stokes import NavierStokesPDE as NavierStokesPDE
from .physical_model import PhysicalModel as PhysicalModel

__all__ = [
    "AdvectionDiffusionPDE",
    "AllenCahnPDE",
    "BurgersPDE",
    "DiffusionPDE",
    "FisherKPPPDE",
    "FitzHughNagumoPDE",
    "GrayScottPDE",
    "KortewegDeVriesPDE",
    "KuramotoSivashinskyPDE",
    "NavierStokesPDE",
    "PhysicalModel",
]
