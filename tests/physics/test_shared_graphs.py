"""Graphs that models of one equation share: recorded once, and never those of another equation."""

import pytest
import torch

from hybrid_pde.domain.grid import Grid
from hybrid_pde.models.physical import BurgersPDE
from hybrid_pde.numerics import traced_functions

GRID = Grid(("x",), (16,), (0.0,), (1.0,), (("periodic", "periodic"),), (False,))


@pytest.fixture
def recorded(monkeypatch):
    """Labels of the functions that are recorded."""
    found = []
    original = traced_functions._traced

    def traced(*arguments):
        found.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(traced_functions, "_traced", traced)
    return found


def model(kind=BurgersPDE):
    made = kind(
        {
            "data": {"fields": ["velocity"]},
            "model": {"physical": {"name": "BurgersPDE", "pde_params": {"viscosity": 0.05}}},
        }
    )
    made.precision = "double"
    return made


def after(made):
    start = {"velocity": torch.sin(torch.arange(16, dtype=torch.float64)).reshape(1, 1, 16)}
    (frame,) = made.rollout(start, GRID, 1, 0.01)
    return frame["velocity"]


def test_a_second_model_records_nothing(recorded):
    first = after(model())
    del recorded[:]
    assert torch.equal(after(model()), first)
    assert not recorded


def test_changed_equations_have_graphs_of_their_own(recorded, monkeypatch):
    expected = after(model())
    own = type("Own", (BurgersPDE,), {})
    object_of_its_own = model()
    original = object_of_its_own.rate
    object_of_its_own.rate = lambda *given: {n: 2 * v for n, v in original(*given).items()}
    for made in (model(own), object_of_its_own):
        del recorded[:]
        found = after(made)
        assert recorded
    assert not torch.allclose(found, expected)
    monkeypatch.setattr(
        BurgersPDE, "rate", lambda self, *given: {n: 0 * v for n, v in given[0].items()}
    )
    assert not torch.allclose(after(model()), expected)
