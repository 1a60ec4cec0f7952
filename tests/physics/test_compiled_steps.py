"""Compiled time steps: equal to those that are not, with their derivatives; when they are used."""

import logging
import os
from pathlib import Path

import pytest
import torch
import torch.autograd.forward_ad as forward_ad

from hybrid_pde.domain.grid import PERIODIC, Grid
from hybrid_pde.models.physical import shared_graphs
from hybrid_pde.models.physical.coefficients import Directions
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.numerics import compilation_cache, compiled_part
from hybrid_pde.numerics.array_program_library import library
from hybrid_pde.numerics.workload import Workload, compilation

GRID = Grid(("x", "y"), (9, 8), (0.0, 0.0), (0.7, 1.0), ((PERIODIC,) * 2,) * 2, (False, False))
needs_compiler = pytest.mark.skipif(
    compilation_cache.compiler_version() is None, reason="needs a C++ compiler (g++ or CXX)"
)
needs_interpreter = pytest.mark.skipif(
    library() is None, reason="needs a C++ compiler (g++ or CXX) and PyTorch with MKL"
)


def model_of(compile, scheme="finite_difference"):
    numerics = {"scheme": scheme, "order": 2, "substeps": 3, "precision": "double"}
    parameters = {"diffusivity": 0.02, "growth_rate": 2.0}
    config = {
        "run_params": {"experiment_name": "steps", "model_type": "physical"},
        "data": {"dset_name": "none", "fields": ["u"]},
        "model": {
            "physical": {"name": "FisherKPPPDE", "pde_params": parameters, "numerics": numerics}
        },
        "workflow": {"compile": compile},
    }
    return ModelRegistry(config).get_physical_model()


def start():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 1, *GRID.shape, generator=generator, dtype=torch.float64)


def last(model, state, diffusivity, **options):
    *_, frame = model.rollout({"u": state}, GRID, 2, 0.01, {"diffusivity": diffusivity}, **options)
    return frame["u"]


def with_derivatives(model):
    """Values, directional derivatives for the diffusivity and a state, gradients."""
    diffusivity = torch.tensor(0.03, dtype=torch.float64)
    tangents = torch.stack([torch.zeros_like(start()), torch.cos(30 * start())])
    with torch.no_grad(), forward_ad.dual_level():
        directions = Directions(2, {"diffusivity": torch.tensor([1.0, 0.0], dtype=torch.float64)})
        state = forward_ad.make_dual(torch.cat([start()] * 2), tangents.flatten(0, 1))
        found = last(model, state, diffusivity, directions=directions)
        values, slopes = forward_ad.unpack_dual(found)
    leaves = [start().requires_grad_(), diffusivity.requires_grad_()]
    weights = torch.sin(50 * start())
    gradients = torch.autograd.grad((weights * last(model, *leaves)).sum(), leaves)
    return values[:2], *slopes.unflatten(0, (2, 2)), *gradients


def _children():
    """Processes that this one has started and not waited for."""
    listed = Path(f"/proc/self/task/{os.getpid()}/children")  # on Linux
    return listed.read_text().split() if listed.exists() else []


@needs_compiler
def test_compiled_steps_and_their_derivatives_equal_those_that_are_not():
    before = set(_children())  # of other tests in this process
    compiled, plain = model_of("always"), model_of("never")
    for found, expected in zip(with_derivatives(compiled), with_derivatives(plain), strict=True):
        largest = expected.abs().max()
        assert (found - expected).abs().max() <= 1e-12 * largest and largest > 1e-3
    assert compiled.has_compiled_steps and not plain.has_compiled_steps
    assert set(_children()) <= before


@needs_compiler
def test_compiled_graphs_of_an_earlier_program_are_found():
    from torch._dynamo.utils import counters

    found = counters["inductor"]
    states = []
    for expected in (None, 1):
        shared_graphs._shared.cache_clear()  # as in another process
        model, before = model_of("always"), found["fxgraph_cache_hit"]
        with torch.no_grad():
            states.append(last(model, start(), torch.tensor(0.03, dtype=torch.float64)))
        assert model.has_compiled_steps
        assert expected is None or found["fxgraph_cache_hit"] - before >= expected
    assert found["fxgraph_cache_bypass"] == 0
    assert torch.equal(*states)


def test_derivatives_of_directions_agree_with_differences():
    values, of_diffusivity, of_state, *gradients = with_derivatives(model_of("never"))
    model, diffusivity, h = model_of("never"), torch.tensor(0.03, dtype=torch.float64), 1e-6
    with torch.no_grad():
        ends = [last(model, start(), diffusivity + sign * h) for sign in (1, -1)]
        torch.testing.assert_close(of_diffusivity, (ends[0] - ends[1]) / (2 * h), rtol=0, atol=1e-8)
        moved = h * torch.cos(30 * start())
        ends = [last(model, start() + sign * moved, diffusivity) for sign in (1, -1)]
        torch.testing.assert_close(of_state, (ends[0] - ends[1]) / (2 * h), rtol=0, atol=1e-8)
    weights = torch.sin(50 * start())
    assert gradients[1] == pytest.approx(float((weights * of_diffusivity).sum()), rel=1e-10)


@needs_interpreter
def test_spectral_steps_run_as_a_list_without_derivatives():
    listed, plain = model_of("always", "spectral"), model_of("never", "spectral")
    diffusivity = torch.tensor(0.03, dtype=torch.float64)
    with torch.no_grad():
        found, expected = (last(each, start(), diffusivity) for each in (listed, plain))
    assert (found - expected).abs().max() <= 1e-12 * expected.abs().max()
    assert listed.has_compiled_steps and not plain.has_compiled_steps
    recorded = model_of("always", "spectral")
    last(recorded, start(), diffusivity.requires_grad_())
    assert not recorded.has_compiled_steps


@needs_interpreter
def test_a_list_needs_the_steps_of_each_frame():
    line = Grid(("x",), (64,), (0.0,), (1.0,), ((PERIODIC, PERIODIC),), (False,))
    state = 8 * torch.sin(2 * torch.pi * torch.arange(64, dtype=torch.float64) / 64)
    numerics = {"scheme": "spectral", "order": 2, "precision": "double"}
    physical = {"name": "BurgersPDE", "pde_params": {"viscosity": 0.1}, "numerics": numerics}
    frames, steps = [], []
    for compile in ("always", "never"):
        config = {"model": {"physical": physical}, "workflow": {"compile": compile}}
        model = ModelRegistry(config).get_physical_model()
        with torch.no_grad():
            rollout = model.rollout({"velocity": state.view(1, 1, 64)}, line, 40, 0.01)
            found = [(frame["velocity"], model.substeps_used) for frame in rollout]
        frames.append(torch.stack([frame for frame, _ in found]))
        steps.append([number for _, number in found])
    assert steps[0] == steps[1]
    assert steps[0][0] > 2 and steps[0][-1] == 1
    torch.testing.assert_close(*frames, rtol=1e-11, atol=1e-12)


@needs_compiler
def test_auto_compiles_what_repays_it():
    few, many = Workload("auto", 20), Workload("auto", 1000, 20)
    assert not few.repays(200, 3, 8192) and many.repays(200, 3, 8192)
    assert not Workload("never", 1000, 20).repays(200, 3, 8192)
    assert Workload("always").repays(200, 1, 8)


def test_without_a_compiler_steps_run_as_they_stand_which_is_said_once(monkeypatch, caplog):
    monkeypatch.setattr(compiled_part, "compiler_version", lambda: None)
    monkeypatch.setattr(compiled_part._Obstacle, "is_found", False)
    with caplog.at_level(logging.WARNING), torch.no_grad():
        for _ in range(2):
            last(model_of("always"), start(), torch.tensor(0.03))
    assert caplog.text.count("there is no C++ compiler; install one") == 1


def test_the_compiler_is_part_of_the_identity_of_a_checkpoint():
    assert compilation("never") == "never"
    version = compilation_cache.compiler_version()
    assert compilation("auto") == ("never" if version is None else f"auto, {version}")


@pytest.fixture
def unprepared(monkeypatch, tmp_path):
    """Where nothing has been compiled; the function prepares it."""
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    return compilation_cache.prepare_compilation.__wrapped__


def test_compiled_graphs_are_kept_where_only_the_user_may_write(unprepared, tmp_path):
    folder = unprepared()
    assert folder.is_relative_to(tmp_path / "caches" / "hybrid_pde")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(folder)


@pytest.mark.parametrize("kind", ["writable", "link"])
def test_a_folder_that_others_may_change_is_not_used(
    unprepared, monkeypatch, tmp_path, caplog, kind
):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777 if kind == "writable" else 0o700)
    given = shared if kind == "writable" else tmp_path / "link"
    if kind == "link":
        given.symlink_to(shared)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(given))
    folder = unprepared()
    assert folder.resolve() != shared and folder.stat().st_mode & 0o777 == 0o700
    assert f"{given}: cannot keep compiled graphs" in caplog.text
    folder.rmdir()
