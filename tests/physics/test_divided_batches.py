"""Batches that lists advance part by part: equal to undivided ones, for any number of threads."""

import pytest
import torch
import torch.autograd.forward_ad as forward_ad

from hybrid_pde.models.physical import listed_steps
from hybrid_pde.models.physical.coefficients import Directions
from hybrid_pde.models.physical.conditions import Conditions
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.numerics import array_program
from hybrid_pde.numerics.array_program_library import library
from hybrid_pde.numerics.discretization import Discretization
from tests.physics.periodic_box import periodic_grid, physical_config

pytestmark = pytest.mark.skipif(
    library() is None, reason="needs a C++ compiler (g++ or CXX) and PyTorch with MKL"
)
GRID = periodic_grid((12, 10), (0.7, 1.3))
SIMULATIONS, FRAMES, DT = 5, 9, 0.02
SCHEMES = [Discretization("spectral", 4), Discretization("finite_difference", 4)]


@pytest.fixture(params=[1, 3], ids="{} threads".format)
def divided(request, monkeypatch):
    """Parts of two simulations, of which the last one overlaps the one before."""
    before = torch.get_num_threads()
    monkeypatch.setattr(listed_steps, "_PART", 5000)
    monkeypatch.setattr(array_program, "_LEAST_SHARED", 0)
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


def rollout(scheme, compile="auto", directions=0, **conditions):
    """All frames, and their tangents along some directions."""
    config = physical_config("BurgersPDE", {"viscosity": 0.02}, numerics={"precision": "double"})
    model = ModelRegistry({**config, "workflow": {"compile": compile}}).get_physical_model()
    model.discretization = scheme
    generator = torch.Generator().manual_seed(0)
    u = torch.rand(SIMULATIONS, 2, *GRID.shape, generator=generator, dtype=torch.float64)
    given = Conditions({name: torch.tensor(v).double() for name, v in conditions.items()})
    with torch.no_grad(), forward_ad.dual_level():
        options = {}
        if directions:
            slopes = torch.linspace(1, 2, directions, dtype=torch.float64)
            tangents = torch.rand(directions, *u.shape, generator=generator, dtype=torch.float64)
            u = forward_ad.make_dual(torch.cat([u] * directions), tangents.flatten(0, 1))
            options["directions"] = Directions(directions, {"viscosity": slopes})
        frames = [
            [part for part in forward_ad.unpack_dual(each["velocity"]) if part is not None]
            for each in model.rollout(
                {"velocity": u}, GRID, FRAMES, DT, conditions=given, **options
            )
        ]
    assert model.has_compiled_steps == (compile != "never")
    return [torch.stack(each) for each in zip(*frames, strict=True)]


CASES = {
    "values": {},
    "derivatives": {"directions": 2},
    "own parameters": {"viscosity": [0.01, 0.02, 0.03, 0.04, 0.05]},
}
_found: dict[object, list[torch.Tensor]] = {}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.label)
def test_a_divided_batch_gives_the_frames_of_an_undivided_one(divided, scheme, case):
    found = rollout(scheme, **CASES[case])
    expected = rollout(scheme, "never", **CASES[case])
    for one, other in zip(found, expected, strict=True):
        assert (one - other).abs().max() <= 1e-12 * other.abs().max()
    # bit-equal for any number of threads
    for one, other in zip(found, _found.setdefault((scheme, case), found), strict=True):
        assert torch.equal(one, other)
