"""Information limit that the benchmarks print beside errors."""

import numpy as np
import pytest

from benchmarks.information_limit import information_limit
from tests.gradient.calibration_case import Windows
from tests.gradient.test_initial_states import (
    DIFFUSIVITY,
    INTERVAL,
    LINE,
    decaying_waves,
    trainer_of_diffusion,
)


def test_the_limit_is_that_of_the_closed_form() -> None:
    frames = decaying_waves(0.0, 0)
    trainer = trainer_of_diffusion("known")
    trainer.train(Windows(frames, LINE, 12, 12, INTERVAL), 1)
    assert trainer.calibration is not None
    (found,) = information_limit(trainer.calibration, {"diffusivity": DIFFUSIVITY}, 0.05)

    k = 2 * np.pi / 1.4
    x = (np.arange(32) + 0.5) * 1.4 / 32
    t = INTERVAL * np.arange(1, 13)[:, None]
    slope = sum(
        -((n * k) ** 2) * t * size * np.exp(-DIFFUSIVITY * (n * k) ** 2 * t) * wave
        for n, size, wave in ((1, 1.0, np.sin(k * x)), (3, 0.6, np.cos(3 * k * x + 1)))
    )
    sigma = 0.05 * float(frames[1:].std(unbiased=False))
    assert found == pytest.approx(sigma / np.sqrt(np.sum(slope**2)), rel=1e-6)
