"""Long rollouts, batches of simulations, replicates, and run time per step."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from hybrid_pde.domain.known_values import TENSOR_PREFIX, KnownParameter
from hybrid_pde.evaluation.evaluation_warnings import long_rollout_warnings
from hybrid_pde.evaluation.measures import long_rollout
from hybrid_pde.evaluation.measures import step_timing as timing
from hybrid_pde.evaluation.measures.long_rollout import long_rollouts, roll_out_in_chunks
from hybrid_pde.evaluation.measures.step_timing import time_predictors
from hybrid_pde.evaluation.predictors import Predictor, State
from hybrid_pde.evaluation.rollout_batches import HeldOut, group_batches, roll_out
from hybrid_pde.evaluation.rollout_evaluation import evaluate
from hybrid_pde.evaluation.rollout_starts import find_start
from tests.unit.evaluation_cases import Waves, waves


def growing(factor: float, fails_above: float = np.inf) -> Predictor:
    """Multiply by ``factor`` per step; a whole batch becomes NaN if one value is too large."""

    def predict(initial: State, steps: int) -> State:
        state, frames = initial["velocity"], []
        for _ in range(steps):
            state = factor * state
            frames.append(state)
        values = torch.stack(frames, dim=1)
        broken = values.abs().amax(dim=(0, *range(2, values.ndim))) > fails_above
        values[:, broken] = torch.nan
        return {"velocity": values}

    return predict


def held_out(*simulations: Waves, known: tuple[KnownParameter, ...] = ()) -> list[HeldOut]:
    return [
        HeldOut(index, simulation, find_start(index, simulation, None, known))
        for index, simulation in enumerate(simulations)
    ]


def louder(simulation: Waves, factor: float) -> Waves:
    return replace(simulation, fields={"velocity": factor * simulation.fields["velocity"]})


def test_growth_is_that_of_the_largest_value_and_the_steps_are_a_multiple_of_the_data() -> None:
    starts = held_out(waves((16,), frames=4), waves((16,), frames=4, phase=0.3))
    found = long_rollouts(starts, {"synthetic": [growing(1.1)]}, 5)["synthetic"]
    assert (found["steps"], found["finite"], found["limited"]) == (15, True, False)
    assert found["growth"] == pytest.approx(1.1**15, rel=1e-5)
    assert found["by_lead_time"]["growth"] == pytest.approx(1.1 ** np.arange(1, 16), rel=1e-5)


def test_the_end_is_compared_with_the_physical_model_or_the_last_frame() -> None:
    starts = held_out(waves((16,), frames=4))
    models = {"synthetic": [growing(1.02)], "physical": [growing(1.01)]}
    found = long_rollouts(starts, models, 2)
    assert found["synthetic"]["reference"] == "physical"
    error = found["synthetic"]["spectral_error"]
    assert error["low"] == pytest.approx((1.02 / 1.01) ** 12 - 1, rel=1e-4)
    assert error["high"] is None  # a single wave has no short scales
    assert found["physical"]["spectral_error"] is None
    alone = long_rollouts(starts, {"synthetic": [growing(1.0)]}, 2)["synthetic"]
    # the last frame has decayed by exp(−3 dt), its energy by the square
    assert alone["reference"] == "truth"
    assert alone["spectral_error"]["low"] == pytest.approx(np.exp(6 * 0.05) - 1, rel=1e-4)


@pytest.mark.parametrize(("rate", "warns"), [(1.1, True), (1.02, False)])
def test_a_surrogate_that_grows_beyond_the_solver_is_warned_of(rate: float, warns: bool) -> None:
    starts = held_out(waves((16,), frames=7))
    models = {"synthetic": [growing(rate)], "physical": [growing(0.99)]}
    found = {k: {"long_rollout": v} for k, v in long_rollouts(starts, models, 2).items()}
    notices = long_rollout_warnings(found)
    assert len(notices) == warns
    if warns:  # 1.1¹² = 3.14, from the largest value of 12 steps
        assert "of 12 steps it grows to 3.1 times the largest initial value" in notices[0]


def test_a_diverged_rollout_reports_its_last_step() -> None:
    starts = held_out(waves((16,), frames=4))
    found = long_rollouts(starts, {"synthetic": [growing(1e10)]}, 2)["synthetic"]
    assert (found["finite"], found["lasted"], found["growth"]) == (False, 3, None)
    assert found["by_lead_time"]["growth"][3:] == [None] * 3
    assert found["spectral_error"]["low"] is None
    json.dumps(found, allow_nan=False)
    (notice,) = long_rollout_warnings({"synthetic": {"long_rollout": found}})
    assert "after 3 of 6 steps" in notice


def test_chunks_equal_the_whole_rollout_and_diverged_simulations_are_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calm = waves((16,), frames=4)
    starts = held_out(calm, louder(calm, 100.0))
    initial = {"velocity": torch.cat([each.start.initial["velocity"] for each in starts])}
    predictor = growing(1.5, fails_above=500.0)
    whole = roll_out_in_chunks(predictor, initial, 7)
    monkeypatch.setattr(long_rollout, "MAX_BYTES", 2 * initial["velocity"].nbytes)
    chunks = roll_out_in_chunks(predictor, initial, 7)
    np.testing.assert_allclose(chunks.growth, whole.growth, rtol=1e-6)
    torch.testing.assert_close(chunks.last["velocity"], whole.last["velocity"], equal_nan=True)
    assert np.isfinite(whole.growth[0]).all() and np.isinf(whole.growth[1, -1])
    assert np.isfinite(whole.growth[1, 0])


def test_known_parameters_that_change_in_time_end_the_rollout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    force = KnownParameter("force", static=False)
    simulation = replace(waves((16,), frames=6), known={"force": torch.arange(1.0, 7.0)})
    starts = held_out(simulation, known=(force,))

    def forced(initial: State, steps: int) -> State:
        strength = initial[TENSOR_PREFIX + "force"][:, :steps].cumsum(dim=1)
        return {"velocity": initial["velocity"].unsqueeze(1) + strength[..., None, None]}

    monkeypatch.setattr(long_rollout, "MAX_BYTES", 2 * simulation.fields["velocity"][0].nbytes)
    found = long_rollouts(starts, {"physical": [forced]}, 5, (force,))["physical"]
    assert (found["steps"], found["limited"]) == (5, True)
    first = simulation.fields["velocity"][0]
    expected = [float((first + total).abs().max() / first.abs().max()) for total in
                (1, 3, 6, 10, 15)]  # fmt: skip
    assert found["by_lead_time"]["growth"] == pytest.approx(expected, rel=1e-5)
    notice = long_rollout_warnings({"physical": {"long_rollout": found}})[0]
    assert "limited to 5 steps" in notice and "up to the end of the data" in notice


def test_a_batch_that_diverges_is_rolled_out_one_by_one() -> None:
    calm = waves((16,))
    initial = {
        "velocity": torch.cat([calm.fields["velocity"][:1], 100 * calm.fields["velocity"][:1]])
    }
    found = roll_out(growing(1.1, fails_above=50.0), initial, 3)["velocity"]
    torch.testing.assert_close(found[0], growing(1.1)(initial, 3)["velocity"][0])
    assert torch.isnan(found[1]).all()


def test_batches_hold_neighbours_of_one_length() -> None:
    lengths = [4, 4, 4, 6, 4]
    batches = list(group_batches(held_out(*[waves((16,), frames=n) for n in lengths])))
    assert [[each.index for each in batch] for batch in batches] == [[0, 1, 2], [3], [4]]
    many = list(group_batches(held_out(*[waves((16,))] * 11)))
    assert [len(batch) for batch in many] == [8, 3]


def test_a_batch_gives_the_numbers_of_its_simulations_alone() -> None:
    simulations = [waves((16,), phase=phase) for phase in (0.0, 0.4, 0.9)]
    models = {"synthetic": growing(1.05)}
    together = evaluate(enumerate(simulations), models).metrics["synthetic"]["vrmse"]
    alone = [evaluate([(0, each)], models).metrics["synthetic"]["vrmse"] for each in simulations]
    assert together == pytest.approx(np.mean(alone), rel=1e-12)


def test_replicates_are_averaged_and_their_spread_is_reported() -> None:
    simulations = [waves((16,), phase=phase) for phase in (0.0, 0.4)]
    factors = (1.0, 1.05, 1.2)
    alone = [
        evaluate(enumerate(simulations), {"synthetic": growing(factor)}).metrics["synthetic"]
        for factor in factors
    ]
    found = evaluate(enumerate(simulations), {"synthetic": [growing(f) for f in factors]})
    metrics = found.metrics["synthetic"]
    values = [each["vrmse"] for each in alone]
    assert metrics["vrmse"] == pytest.approx(np.mean(values))
    spread = metrics["replicates"]["vrmse"]
    assert spread["values"] == pytest.approx(values)
    assert spread["mean"] == pytest.approx(np.mean(values))
    assert spread["std"] == pytest.approx(np.std(values, ddof=1))
    last = [each["by_lead_time"]["vrmse"][-1] for each in alone]
    by_time = metrics["replicates"]["by_lead_time"]["vrmse"]["std"]
    assert by_time[-1] == pytest.approx(np.std(last, ddof=1))
    assert metrics["skipped"] == alone[0]["skipped"]
    assert "replicates" not in found.metrics["persistence"]
    np.testing.assert_array_equal(
        found.samples[0].predictions["synthetic"]["velocity"][1],
        simulations[0].fields["velocity"][0],
    )


def test_a_replicate_that_diverges_is_not_averaged_away() -> None:
    models = [growing(1.0), growing(1e20)]
    metrics = evaluate([(7, waves((16,), frames=4))], {"synthetic": models}).metrics["synthetic"]
    assert metrics["diverged_at"] == {"7": 2}
    assert metrics["vrmse"] is None
    assert metrics["replicates"]["vrmse"]["std"] is None
    assert metrics["replicates"]["vrmse"]["values"][0] > 0
    assert metrics["by_lead_time"]["vrmse"][0] > 0


def test_steps_are_timed_for_one_simulation_and_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])

    def takes(seconds: float, for_each: float, first: float = 0.0) -> Predictor:
        compiled = set()

        def predict(initial: State, steps: int) -> State:
            count = len(initial["velocity"])
            clock[0] += steps * (seconds + for_each * count)
            clock[0] += 0 if count in compiled else first
            compiled.add(count)
            return growing(1.0)(initial, steps)

        return predict

    initial = held_out(waves((16,)))[0].start.initial
    models = {"synthetic": takes(0.002, 0.0), "physical": takes(0.001, 0.004, first=60.0)}
    found = time_predictors(models, initial, 20)
    assert found["synthetic"] == pytest.approx(0.002)
    assert found["physical"] == pytest.approx(0.005)  # excluding the minute of compilation
    assert found["batch"] == pytest.approx(
        {"simulations": 8, "synthetic": 0.002 / 8, "physical": 0.004 + 0.001 / 8}
    )
    assert found["speedup"] == pytest.approx({"one": 2.5, "batch": 16.5})


def test_a_predictor_that_diverges_at_once_has_no_time() -> None:
    initial = held_out(waves((16,)))[0].start.initial
    models = {"synthetic": growing(1e30), "physical": growing(1.0)}
    found = time_predictors(models, initial, 4)
    assert "synthetic" not in found and "speedup" not in found
    assert found["physical"] > 0
