"""Evaluation on simulations with missing values."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hybrid_pde.errors import RawDataError
from hybrid_pde.evaluation.evaluation_warnings import evaluation_warnings
from hybrid_pde.evaluation.figures.all_figures import write_figures
from hybrid_pde.evaluation.rollout_evaluation import Evaluation, evaluate, write_metrics
from hybrid_pde.evaluation.rollout_starts import find_start
from hybrid_pde.evaluation.rollouts_file import rollout_dataset
from tests.unit.evaluation_cases import Waves, waves


def with_gaps(
    *gaps: tuple[object, ...], frames: int = 9, shape: tuple[int, ...] = (12, 10)
) -> Waves:
    """Waves with missing values at these indices of ``[T, C, *space]``."""
    simulation = waves(shape, frames=frames)
    velocity = simulation.fields["velocity"].clone()
    for gap in gaps:
        velocity[gap] = torch.nan
    return replace(simulation, fields={"velocity": velocity})


def evaluated(simulation: Waves, tmp_path: Path, num_steps: int | None = None) -> Evaluation:
    found = evaluate([(3, simulation)], {}, num_steps=num_steps)
    write_metrics(tmp_path / "metrics.json", found.metrics)  # rejects NaN
    return found


def test_a_complete_first_frame_is_the_start() -> None:
    simulation = with_gaps((4, 0, 2, 2))
    start = find_start(3, simulation, None, ())
    assert (start.frame, start.filled, start.steps) == (0, 0, 8)
    assert torch.equal(start.initial["velocity"][0], simulation.fields["velocity"][0])
    assert np.isnan(start.truth["velocity"]).sum() == 1


def test_errors_exclude_missing_values(tmp_path: Path) -> None:
    """Persistence compared with an explicit computation over the existing values."""
    simulation = with_gaps((2, 0, slice(0, 5), 3), (5, slice(None), 4))
    metrics = evaluated(simulation, tmp_path).metrics
    assert metrics["persistence"]["missing"] == 5 + 20
    assert "starts" not in metrics["evaluated_on"] and "filled" not in metrics["evaluated_on"]
    truth = np.ma.masked_invalid(simulation.fields["velocity"].double().numpy())
    error = ((truth[1:] - truth[:1]) ** 2).mean(axis=(2, 3)).sum(axis=1)
    expected = np.sqrt(error / truth[1:].var(axis=(2, 3)).sum(axis=1))
    found = metrics["persistence"]["by_lead_time"]["vrmse"]
    assert found == pytest.approx(expected.tolist(), rel=1e-12)
    assert "The held-out simulations have 25 missing values" in " ".join(
        evaluation_warnings(metrics)
    )


def test_a_rollout_starts_at_the_first_complete_frame(tmp_path: Path) -> None:
    simulation = with_gaps((0, 1, 3, 3), (1,))
    found = evaluated(simulation, tmp_path)
    described = found.metrics["evaluated_on"]
    assert described["starts"] == {"3": 2}
    assert described["num_steps"] == 6
    assert "filled" not in described
    assert found.metrics["persistence"]["missing"] == 0
    truth = simulation.fields["velocity"][2:].double().numpy()
    error = ((truth[1:] - truth[0]) ** 2).mean(axis=(2, 3)).sum(axis=1)
    expected = np.sqrt(error / truth[1:].var(axis=(2, 3)).sum(axis=1))
    by_lead_time = found.metrics["persistence"]["by_lead_time"]["vrmse"]
    assert by_lead_time == pytest.approx(expected.tolist(), rel=1e-12)
    text = " ".join(evaluation_warnings(json.loads((tmp_path / "metrics.json").read_text())))
    assert "simulation 3 at frame 2" in text


def test_num_steps_bounds_the_start() -> None:
    simulation = with_gaps((slice(0, 3), 0, 0, 0), (0, 1, 0, 0))
    assert find_start(0, simulation, None, ()).frame == 3
    start = find_start(0, simulation, 7, ())
    assert (start.frame, start.filled, start.steps) == (1, 1, 7)
    assert find_start(0, simulation, 8, ()).filled == 2


def test_missing_values_of_the_best_frame_are_filled_with_a_warning(
    tmp_path: Path,
) -> None:
    always = (
        slice(None),
        0,
        slice(4, 6),
        5,
    )  # two points of one component have no value in any frame
    simulation = with_gaps(always, (0, 1, 0, 0))
    start = find_start(3, simulation, None, ())
    frame = simulation.fields["velocity"][1]
    filled = start.initial["velocity"][0]
    there = ~torch.isnan(frame)
    assert torch.equal(filled[there], frame[there])
    # along x the spacing is 1/6, along y 0.3: the neighbours along x are the nearest
    assert filled[0, 4, 5] == frame[0, 3, 5]
    assert filled[0, 5, 5] == frame[0, 6, 5]
    found = evaluated(simulation, tmp_path)
    assert found.metrics["evaluated_on"]["filled"] == {"3": 2}
    assert found.metrics["persistence"]["missing"] == 2 * 7
    assert "(2 in simulation 3)" in " ".join(evaluation_warnings(found.metrics))


def test_a_simulation_without_a_start_is_an_error() -> None:
    simulation = with_gaps((slice(0, 5), 1))
    with pytest.raises(
        RawDataError, match=r"simulation 7: no frame in its first half .*'velocity'"
    ):
        evaluate([(7, simulation)], {})


@pytest.mark.parametrize("shape", [(12,), (12, 10)])
def test_missing_values_stay_missing_in_figures_and_files(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    simulation = with_gaps((slice(1, None), 0, slice(2, 5)), shape=shape, frames=4)
    predicted = waves(shape, frames=4).fields["velocity"][1:].unsqueeze(0)
    found = evaluate([(0, simulation)], {"physical": lambda _, steps: {"velocity": predicted}})
    assert found.metrics["physical"]["vrmse"] == pytest.approx(0, abs=1e-7)
    write_figures(tmp_path, found)
    assert len(list(tmp_path.iterdir())) == 4
    stored = rollout_dataset(found.samples)["velocity_x_truth"]
    assert int(stored.isnull().sum()) == 3 * 3 * int(np.prod(shape[1:]))
