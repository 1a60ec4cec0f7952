"""Structure of residuals: growth, quantity they follow, wavelength, bias, and its sentences."""

import numpy as np
import pytest

from hybrid_pde.domain.grid import PERIODIC, FieldLayout, Grid
from hybrid_pde.training.physical.misfit_structure import MisfitStructure, misfit_structure
from hybrid_pde.training.physical.misfit_words import misfit_sentences
from hybrid_pde.training.physical.residuals import Residuals

SIDES = (PERIODIC, PERIODIC)
LINE = Grid(("x",), (40,), (0.0,), (2.0,), (SIDES,), (False,))
PLANE = Grid(("x", "y"), (24, 20), (0.0, 0.0), (1.5, 1.0), (SIDES, SIDES), (False, False))
TIME = np.arange(1, 9.0)[:, None, None]
SCALAR = [FieldLayout("c")]


def smooth(seed: int, count: int = 12, length: int = 8) -> list[np.ndarray]:
    """States of smooth random noise, ``[T, 1, X]`` each."""
    kept = np.arange(21) < 6
    spectra = np.fft.rfft(np.random.default_rng(seed).normal(size=(count, 1, 1, 40)))
    return [np.fft.irfft(each * kept, 40).repeat(length, 0) for each in spectra]


@pytest.mark.parametrize(
    ("power", "kind"), [(0.0, "constant"), (0.5, "saturating"), (1.0, "linear"), (2.0, "faster")]
)
def test_growth_is_that_of_the_smooth_part(power: float, kind: str) -> None:
    random = np.random.default_rng(1)
    windows = []
    for state, other in zip(smooth(0), smooth(9), strict=True):
        noise = 0.5 * random.normal(size=state.shape) * np.sqrt(np.mean(TIME ** (2 * power)))
        windows.append(Residuals(3 * TIME**power * other + noise, states=state))
    (found,) = misfit_structure(windows, SCALAR, LINE)
    assert found.growth == kind and found.exponent == pytest.approx(power, abs=0.15)
    assert found.follows is None, "the state has nothing to do with it"
    assert found.component == "c" and found.wall is None


def test_waves_of_few_cells_point_to_the_resolution() -> None:
    x, one = np.arange(40), np.ones_like(TIME)
    windows = [
        Residuals(one * np.cos(2 * np.pi * x / 5 + number), states=state)
        for number, state in enumerate(smooth(5))
    ]
    (found,) = misfit_structure(windows, SCALAR, LINE)
    assert found.wavelength == pytest.approx(0.25) and found.wavelength_cells == pytest.approx(5)
    (sentence,) = misfit_sentences([found])
    assert "has waves of about 0.25 (5 cells): the grid or the scheme does not resolve" in sentence


def test_a_wrong_factor_of_advection_is_named_once_for_both_components() -> None:
    x, y = np.meshgrid(*(2 * np.pi * np.arange(n) / n for n in PLANE.shape), indexing="ij")
    time, windows = TIME[..., None], []
    for n in range(8):
        u = np.stack([np.sin(x + n) * np.cos(2 * y), np.cos(x) * np.sin(y + 2 * n)])
        slopes = [
            (np.roll(u, -1, axis) - np.roll(u, 1, axis)) / 2 / step
            for axis, step in zip((1, 2), PLANE.spacing, strict=True)
        ]
        carried = u[0] * slopes[0] + u[1] * slopes[1]
        states = u[None].repeat(8, 0)
        windows.append(Residuals(time * carried, states=states))
    found = misfit_structure(windows, [FieldLayout("velocity", ("x", "y"))], PLANE)
    assert {each.component for each in found} == {"velocity[x]", "velocity[y]"}
    for each in found:
        assert each.follows == f"(velocity·∇){each.component}"
        assert each.correlation == pytest.approx(1, abs=1e-6)


def test_noise_and_rounding_have_no_structure() -> None:
    random = np.random.default_rng(0)
    windows = [Residuals(random.normal(size=s.shape), states=s) for s in smooth(3)]
    assert misfit_structure(windows, SCALAR, LINE) == []
    assert misfit_structure([Residuals(np.ones((5, 3)))], SCALAR, LINE) == [], "sensors"


def test_sentences() -> None:
    def said(**changes: object) -> str:
        (text,) = misfit_sentences([MisfitStructure("u", 0.1, 0.0, **changes)])  # type: ignore[arg-type]
        return text

    assert said(growth="constant").endswith(
        "does not grow with lead time: errors of the measurement that are alike at neighbours, or "
        "of the first frames"
    )
    assert said(
        growth="linear",
        follows="|∇u|",
        meaning="a term that depends on gradients (advection, diffusion)",
        of_size=True,
        correlation=0.71,
    ) == (
        "the residual of u grows linearly with lead time and peaks where |∇u| is largest "
        "(correlation 0.71): a term that depends on gradients (advection, diffusion) may be "
        "missing or wrong"
    )
    alike = [MisfitStructure(name, 0.1, 0.08, "linear") for name in ("u", "v")]
    assert misfit_sentences(alike) == [
        "the residual of u and v grows linearly with lead time: a source, a sink or a decay may be "
        "missing"
    ]
