"""Selection of schemes on noisy data, where the losses of all schemes are about equal."""

from typing import Any

import numpy as np
import pytest
import torch

from hybrid_pde.models.physical import DiffusionPDE
from hybrid_pde.result_warnings import ResultWarning
from hybrid_pde.training.physical import PhysicalTrainer, scheme_selection
from tests.gradient.calibration_case import Windows
from tests.physics.periodic_box import coordinates, periodic_grid, physical_config

LINE = periodic_grid((16,), (1.0,))
DT = 0.02
TRUTH = 0.05


def decaying(waves: tuple[int, ...], noise: float, order: int | None = 2) -> Windows:
    """Eight decaying waves, by differences of order 2 or exactly; exact first frames."""
    (x,) = coordinates(LINE)
    dx = LINE.spacing[0]
    times = DT * (torch.arange(41) % 5).double()[:, None, None]
    frames = torch.zeros(41, 1, len(x), dtype=torch.float64)
    for number in waves:
        k = 2 * np.pi * number
        rate = TRUTH * (k**2 if order is None else (2 - 2 * np.cos(k * dx)) / dx**2)
        frames += torch.exp(-rate * times) * torch.sin(k * x)
    generator = torch.Generator().manual_seed(0)
    errors = noise * torch.randn(frames.shape, generator=generator).double()
    return Windows(torch.where(times > 0, frames + errors, frames), LINE, 4, 5, DT)


def calibrated(data: Windows, **settings: Any) -> tuple[PhysicalTrainer, dict[str, Any]]:
    parameters = [{"name": "diffusivity", "initial_guess": 0.08, "bounds": [1e-4, 10.0]}]
    config = physical_config(
        "DiffusionPDE",
        {},
        parameters,
        {"scheme": "auto", "substeps": 4},
        check_discretization=False,
        **settings,
    )
    guess = torch.tensor(0.08, dtype=torch.float64)
    trainer = PhysicalTrainer(config, DiffusionPDE(config), [guess])
    return trainer, trainer.train(data, 1)


def test_the_scheme_of_noisy_data_is_found() -> None:
    """Its loss is smaller by less than the scatter of losses, but value by value."""
    trainer, result = calibrated(decaying((1, 3), 0.02))
    numerics, found = result["numerics"], result["parameters"]["diffusivity"]
    losses = {(each["scheme"], each["order"]): each["loss"] for each in numerics["candidates"]}
    second, fourth = (losses["finite_difference", order] for order in (2, 4))
    num_values = trainer.objective.num_values
    assert second < fourth < second * (1 + 4 * np.sqrt(2 / num_values))
    assert (numerics["scheme"], numerics["order"]) == ("finite_difference", 2)
    assert abs(found["value"] - TRUTH) < 3 * found["std"] < 0.02 * TRUTH
    assert result["warnings"] == []


def test_schemes_that_fit_equally_well_with_other_values_are_reported() -> None:
    """A single wave: any scheme fits with the diffusivity that gives its rate of decay."""
    with pytest.warns(ResultWarning, match="diffusivity depends on the scheme: spectral-4 gives"):
        _, result = calibrated(decaying((4,), 0.01))
    assert result["numerics"]["scheme"] == "spectral", "the most accurate one"
    values = [each["parameters"]["diffusivity"] for each in result["numerics"]["candidates"]]
    assert values[0] == pytest.approx(TRUTH, rel=0.02)
    assert values[-1] < 0.9 * TRUTH
    assert any(f"{values[0]:.5g}" in message for message in result["warnings"])


def test_noisy_initial_frames_do_not_hide_the_scheme_where_they_are_estimated() -> None:
    """Their errors add to the residuals of all schemes until they are estimated."""
    data = decaying((1, 3), 0.0)
    generator = torch.Generator().manual_seed(1)
    frames = data.frames + 0.02 * torch.randn(data.frames.shape, generator=generator).double()
    _, result = calibrated(Windows(frames, LINE, 4, 5, DT), initial_state="estimate")
    found = result["parameters"]["diffusivity"]
    assert (result["numerics"]["scheme"], result["numerics"]["order"]) == ("finite_difference", 2)
    assert abs(found["value"] - TRUTH) < 3 * found["std"]


def test_stiff_candidates_are_not_fitted_where_states_are_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scheme_selection, "_STIFF", 1)
    data = decaying((1, 3), 0.05, None)
    _, result = calibrated(data, initial_state="estimate")
    *others, first = result["numerics"]["candidates"]
    assert first["scheme"] == result["numerics"]["scheme"] == "spectral" and first["loss"] > 0
    for each in others:
        assert each["loss"] is None
        assert "takes 4 time steps a frame" in each["not_fitted"]
    found = result["parameters"]["diffusivity"]
    assert found["uncertainty_parts"]["scheme"] > 0, "other schemes remain possible"


def test_candidates_are_compared_at_their_own_optima() -> None:
    _, result = calibrated(decaying((1, 2, 3), 0.0, None))
    candidates = result["numerics"]["candidates"]
    assert result["numerics"]["scheme"] == "spectral"
    assert candidates[-1]["parameters"]["diffusivity"] == pytest.approx(TRUTH, rel=1e-9)
    losses = [each["loss"] for each in candidates]
    assert losses[0] > 10 * losses[1] > 100 * losses[2] > 1e9 * losses[3]
