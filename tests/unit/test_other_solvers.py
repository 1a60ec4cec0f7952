"""Benchmark on data of other solvers: its data sets and what it prints of a result."""

import numpy as np
import pytest

from benchmarks.other_solvers import DATA_SETS, Windows, rows


def test_there_are_at_least_ten_data_sets_of_three_solvers() -> None:
    makers = {name.split("-")[0] for name in DATA_SETS}
    assert len(DATA_SETS) >= 10 and makers == {"scipy", "py", "exponax"}


def test_data_of_scipy_are_windows_on_their_grid() -> None:
    data = DATA_SETS["scipy-fitzhugh-nagumo"]
    assert data.solve is not None
    frames = data.solve()
    windows = list(Windows(data, frames))
    assert np.isfinite(frames).all() and frames.shape == (13, 2, 24, 24)
    assert len(windows) == 2 and len(windows[1][1]["v"]) == 6
    # walls of zero slope: the reaction alone changes the mean
    mean = frames.mean(axis=(2, 3))
    rate = (mean[:, 0] - mean[:, 1])[:-1] * data.dt
    assert np.diff(mean[:, 1]) == pytest.approx(rate, abs=0.2 * np.abs(rate).max())


def test_rows_are_relative_to_the_truth_also_of_negative_components() -> None:
    data = DATA_SETS["exponax-advection-diffusion"]
    entries = {
        "diffusivity": {"value": 0.06, "uncertainty": 0.005, "interval_90": [0.055, 0.065]},
        "velocity": {
            "value": [0.8, -0.33],
            "uncertainty": [0.01, 0.02],
            "interval_90": [[0.78, -0.36], [0.82, -0.29]],
        },
    }
    found = {row.label: row for row in rows(data, {"parameters": entries})}
    assert found["diffusivity"].error == pytest.approx(0.2)
    assert found["diffusivity"].uncertainty == pytest.approx(0.1)
    assert not found["diffusivity"].is_inside
    across = found["velocity[1]"]
    assert across.error == pytest.approx(0.1) and across.is_inside
    assert across.lower == pytest.approx(-1 / 30) and across.upper == pytest.approx(0.2)
