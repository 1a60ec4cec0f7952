"""Notice of noise in first frames that a calibration takes as exact."""

import numpy as np
import pytest
import torch

from hybrid_pde.result_warnings import ResultWarning
from hybrid_pde.training.physical.error_budget import ErrorBudget
from hybrid_pde.training.physical.initial_state_notice import first_frame_notice
from tests.gradient.calibration_case import Windows
from tests.gradient.test_initial_states import (
    DIFFUSIVITY,
    INTERVAL,
    LINE,
    decaying_waves,
    diffusion,
    trainer_of_diffusion,
)
from tests.physics.periodic_box import coordinates


def test_noise_in_first_frames_is_noticed() -> None:
    frames = decaying_waves(0.02, 0)
    trainer = trainer_of_diffusion("known")
    with pytest.warns(ResultWarning, match="initial_state: known: the first frames") as caught:
        result = trainer.train(Windows(frames, LINE, 4, 4, INTERVAL), 1)
    (message,) = result["warnings"]
    assert message == str(caught[0].message)
    share = float(message.split("noise of about ")[1].split("%")[0]) / 100
    assert share == pytest.approx(0.02 / float(frames.std()), rel=0.3)
    assert "set trainer_params.physical.initial_state: estimate" in message
    parts = result["parameters"]["diffusivity"]["uncertainty_parts"]
    assert f"by about {parts['initial_state']:.2g} in diffusivity" in message
    assert result["residuals"]["sentences"] == [], "the cause is known"

    found = trainer.calibration
    assert found is not None
    budget = ErrorBudget({name: np.array([part]) for name, part in parts.items()})
    other = first_frame_notice(found.objective, found.unknowns(), budget, False)
    assert other is not None and "which is not possible with both kinds" in other
    assert other.split("; ")[0] == message.split("; ")[0]


def jump(num_frames: int) -> torch.Tensor:
    """Exact frames of a decaying step, whose modes are summed, ``[T, 1, 32]``."""
    (x,) = coordinates(LINE)
    k = 2 * np.pi * torch.fft.rfftfreq(32, 1.4 / 32).double()
    modes = torch.fft.rfft((x < 0.6).double())
    t = INTERVAL * torch.arange(num_frames).double()[:, None]
    return torch.fft.irfft(modes * torch.exp(-DIFFUSIVITY * k**2 * t), 32)[:, None]


def packed(frames: torch.Tensor) -> torch.Tensor:
    step = float(frames.max() - frames.min()) / 65_000
    return (frames / step).round() * step


def noisy_targets() -> torch.Tensor:
    frames = decaying_waves(0.02, 0)
    frames[0] = decaying_waves(0.0, 0)[0]
    return frames


CLEAN = {
    "float32": decaying_waves(0.0, 0).float().double(),
    "int16": packed(decaying_waves(0.0, 0)),
    "jump": jump(13),
    "jump in float32": jump(13).float().double(),
    "jump in int16": packed(jump(13)),
    "exact first frame": noisy_targets(),
}


@pytest.mark.parametrize("name", CLEAN)
def test_clean_first_frames_are_not_taken_for_noisy(name: str) -> None:
    """A warning is an error in the tests."""
    steps = 12 if name == "exact first frame" else 4
    result = diffusion(Windows(CLEAN[name], LINE, steps, steps, INTERVAL), "known")
    assert result["warnings"] == []
    assert result["parameters"]["diffusivity"]["value"] == pytest.approx(DIFFUSIVITY, rel=0.02)


@pytest.mark.filterwarnings("ignore::hybrid_pde.result_warnings.ResultWarning")
def test_the_error_of_a_scheme_at_a_jump_is_not_taken_for_noise() -> None:
    numerics = {"scheme": "finite_difference", "order": 2}
    result = diffusion(Windows(jump(13), LINE, 4, 4, INTERVAL), "known", numerics)
    assert not any("first frames" in message for message in result["warnings"])
