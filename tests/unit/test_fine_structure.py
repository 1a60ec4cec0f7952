"""Solutions that the grid does not resolve are warned of, and shocks that are captured are not."""

from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import pytest

from hybrid_pde.config import parse_experiment
from hybrid_pde.domain.grid import PERIODIC, FieldLayout, Grid
from hybrid_pde.models.physical.ensemble import Recording, Start, generate
from hybrid_pde.models.physical.fine_structure import fine_share, unresolved_fields
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.result_warnings import ResultWarning, recorded_warnings

GRID = Grid(("x",), (64,), (0.0,), (1.0,), ((PERIODIC, PERIODIC),), (False,))
X = (np.arange(64) + 0.5) / 64


@pytest.mark.parametrize("cells", [2, 4, 8])
def test_share_of_a_wave_is_the_square_of_the_gain(cells: int) -> None:
    (wave,) = [np.cos(2 * np.pi * np.arange(64) / cells)[None]]
    assert fine_share(wave) == pytest.approx(np.sin(np.pi / cells) ** 4, rel=0.05)
    assert fine_share(np.stack([wave] * 3, axis=1)) == pytest.approx(fine_share(wave))


def _two_frames(first: np.ndarray, last: np.ndarray) -> dict[str, np.ndarray]:
    return {"u": np.stack([first, last])[:, None]}


@pytest.mark.parametrize(
    ("later", "is_found"),
    [
        (lambda x: np.sin(2 * np.pi * x) + 0.3 * np.cos(np.pi * 64 * x), True),
        (lambda x: (x + 0.3) % 1.0, False),
        (lambda x: 1.0 + 1e-8 * np.cos(np.pi * 64 * x), False),
    ],
    ids=["waves of two cells", "a shock", "rounding of a uniform field"],
)
def test_only_waves_of_few_cells_are_found(
    later: Callable[[np.ndarray], np.ndarray], is_found: bool
) -> None:
    found = unresolved_fields(_two_frames(np.sin(2 * np.pi * X), later(np.arange(64) / 64)))
    assert bool(found) == is_found


def test_an_axis_of_one_point_does_not_hide_the_others() -> None:
    rough = np.sin(2 * np.pi * X) + 0.3 * np.cos(np.pi * np.arange(64))
    frames = _two_frames(np.sin(2 * np.pi * X), rough)["u"]
    assert unresolved_fields({"u": frames[..., None]})


def test_a_start_as_rough_as_the_solution_is_no_fault_of_the_grid() -> None:
    noise = np.random.default_rng(0).normal(size=64)
    assert not unresolved_fields(_two_frames(noise, 0.9 * noise))


@pytest.mark.parametrize(("viscosity", "is_warned"), [(1e-4, True), (1e-2, False)])
def test_simulations_that_their_grid_does_not_resolve_are_warned_of(
    viscosity: float, is_warned: bool
) -> None:
    physical = {
        "name": "BurgersPDE",
        "pde_params": {"viscosity": viscosity},
        "numerics": {"scheme": "spectral"},
    }
    experiment = parse_experiment(
        {
            "run_params": {"experiment_name": "a"},
            "data": {"dset_name": "a", "fields": ["velocity"]},
            "model": {"physical": physical},
        }
    )
    model = ModelRegistry(experiment).get_physical_model()
    (layout,) = [each for each in model.spec.fields if each.is_vector]
    recording = Recording(GRID, [FieldLayout(layout.name, GRID.axes)], 6, 0.05)
    start = Start({layout.name: np.sin(2 * np.pi * X)[None]})
    with recorded_warnings() as warned, pytest.warns(ResultWarning) if is_warned else nullcontext():
        list(generate(model, recording, lambda _: start, [0, 1]))
    assert len(warned) == is_warned
    if is_warned:
        assert warned[0].startswith("generated simulation 0 (generated simulation 0, generated")
        assert "the grid does not resolve velocity: at frame 6, " in warned[0]
