"""Surrogate training stage: validation, best weights, resuming, warm starts."""

import math
import sys
import warnings

import pytest
import torch

from hybrid_pde.config import parse_experiment
from hybrid_pde.config.checks.consistency import check_experiment
from hybrid_pde.errors import CheckpointError, ConfigError
from hybrid_pde.evaluation.history import read_rows, read_text_rows
from hybrid_pde.evaluation.rollout_evaluation import evaluate
from hybrid_pde.evaluation.validation import Validation
from hybrid_pde.models import load_synthetic_model
from hybrid_pde.models.synthetic.synthetic_predictor import SyntheticPredictor
from hybrid_pde.training.synthetic.best_weights import BestWeights
from hybrid_pde.training.synthetic.epoch_record import is_stale
from hybrid_pde.training.synthetic.validated_training import ValidatedTraining
from tests.learning.surrogate_cases import files_in, settings, simulated, training_in

COLUMNS = ["epoch", "train_loss", "val_vrmse", "learning_rate", "steps", "seconds"]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return simulated(tmp_path_factory.mktemp("surrogate"))


def flat(model) -> torch.Tensor:
    return torch.cat([value.flatten() for value in model.state_dict().values()])


def scripted(monkeypatch, errors):
    """Replace the validations by these errors, in order."""
    left = iter(errors)
    monkeypatch.setattr(ValidatedTraining, "validate", lambda training: next(left))


def without_seconds(rows):
    return [{name: row[name] for name in COLUMNS if name != "seconds"} for row in rows]


def test_the_validation_error_is_that_of_the_evaluation(store):
    model = training_in(store, settings()).model
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02)
    predictor = SyntheticPredictor(model)
    simulations = [(index, store.load(index)) for index in (1, 2, 3)]
    expected = evaluate(simulations, {"synthetic": predictor}).metrics["synthetic"]["vrmse"]
    calls = []

    def counted(initial, steps):
        calls.append(len(initial["velocity"]))
        return predictor(initial, steps)

    assert expected > 0.05
    for size, batches in [(8, [3]), (2, [2, 1])]:
        found = Validation(store, [1, 2, 3], size).vrmse(counted)
        assert found == pytest.approx(expected, rel=1e-5)
        assert calls == batches, "simulations are rolled out together"
        calls.clear()


def test_a_validation_that_diverges_is_infinitely_bad(store):
    def diverging(initial, steps):
        values = initial["velocity"].unsqueeze(1).repeat(1, steps, 1, 1, 1)
        return {"velocity": values.index_fill(1, torch.tensor([steps - 1]), math.inf)}

    assert Validation(store, [2], 4).vrmse(diverging) == math.inf


def test_history_has_one_row_per_epoch(store, tmp_path):
    mapping = settings(validate_every=3, curriculum={"first_steps": 1, "share": 0.5})
    rows = training_in(store, mapping).run(files_in(tmp_path), {})
    assert [list(row) for row in rows] == [COLUMNS] * 4
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert [row["steps"] for row in rows] == [1, 1, 2, 2]
    assert [row["val_vrmse"] is None for row in rows] == [True, True, False, False]
    assert rows[0]["learning_rate"] == 3e-3
    assert rows[-1]["train_loss"] < rows[2]["train_loss"]
    assert read_rows(tmp_path / "history.csv") == rows
    assert read_text_rows(tmp_path / "history.csv")[0]["val_vrmse"] == ""


@pytest.mark.parametrize(("keep", "kept"), [("best", 2), ("last", 4)])
def test_keep_decides_which_weights_are_written(store, tmp_path, monkeypatch, keep, kept):
    scripted(monkeypatch, [0.5, 0.2, 0.3, 0.2])
    training = training_in(store, settings(keep=keep))
    after = {}
    monkeypatch.setattr(
        "hybrid_pde.training.synthetic.epoch_record.logger.info",
        lambda *_: after.update({training.trainer.epoch: flat(training.model).clone()}),
    )
    training.run(files_in(tmp_path), {})
    written = flat(load_synthetic_model(tmp_path / "model.pt"))
    assert [epoch for epoch, weights in after.items() if torch.equal(weights, written)] == [kept]
    assert torch.equal(flat(training.model), written)


def test_patience_counts_validations(store, tmp_path, monkeypatch):
    scripted(monkeypatch, [0.5, 0.4, 0.45, 0.4, 0.1])
    mapping = settings(epochs=12, validate_every=2, patience=2)
    rows = training_in(store, mapping).run(files_in(tmp_path), {})
    assert [row["epoch"] for row in rows] == [*range(1, 9)]
    assert [row["val_vrmse"] for row in rows if row["val_vrmse"]] == [0.5, 0.4, 0.45, 0.4]
    assert not is_stale([{"val_vrmse": None}], 1)
    assert not is_stale([{"val_vrmse": error} for error in (3.0, 2.0, 1.0)], 1)
    assert is_stale([{"val_vrmse": math.inf}] * 2, 1)


@pytest.mark.parametrize(("third", "goes_back"), [(2.1e-3, True), (1.9e-3, False)])
def test_a_training_goes_back_to_weights_with_much_better_rollouts(
    store, tmp_path, monkeypatch, third, goes_back
):
    scripted(monkeypatch, [2e-3, 1e-3, third, 3e-3])
    training = training_in(store, settings(epochs=4))
    train_epoch, starts = training.trainer._train_epoch_with_data, []

    def train(data):
        starts.append(flat(training.model).clone())
        return train_epoch(data)

    monkeypatch.setattr(training.trainer, "_train_epoch_with_data", train)
    training.run(files_in(tmp_path), {})
    assert torch.equal(starts[3], starts[2]) == goes_back  # those after the second epoch
    assert not torch.equal(starts[2], starts[1])
    assert torch.equal(flat(training.model), starts[2])


class _InterruptedError(Exception):
    pass


@pytest.mark.parametrize("stop_after", [1, 3, 4])
def test_an_interrupted_training_gives_the_same_result(store, tmp_path, monkeypatch, stop_after):
    mapping = settings(epochs=5, pushforward=1, input_noise=0.05, windows_per_epoch=9, patience=3)
    errors = [0.5, 0.2, 0.3, 0.4, 0.35]
    scripted(monkeypatch, errors)
    whole = training_in(store, mapping)
    rows = whole.run(files_in(tmp_path / "whole"), {})
    assert len(rows) == 5

    scripted(monkeypatch, errors)
    broken = training_in(store, mapping)
    train_epoch = broken.trainer._train_epoch_with_data

    def interrupt(data):
        if broken.trainer.epoch == stop_after:
            raise _InterruptedError
        return train_epoch(data)

    broken.trainer._train_epoch_with_data = interrupt
    files = files_in(tmp_path / "broken")
    with pytest.raises(_InterruptedError):
        broken.run(files, {})
    assert not files.model.exists()
    scripted(monkeypatch, errors[stop_after:])
    resumed = training_in(store, mapping)
    again = resumed.run(files, {})
    assert without_seconds(again) == without_seconds(rows)
    assert without_seconds(read_rows(files.history)) == without_seconds(rows)
    assert torch.equal(flat(resumed.model), flat(whole.model))
    assert [path.name for path in files.checkpoints.glob("*/finished")] == ["finished"]


def test_best_weights_are_the_earliest_of_equals():
    model, best = torch.nn.Linear(2, 1), BestWeights()
    best.update(7, 0.5, model)
    first = model.weight.detach().clone()
    with torch.no_grad():
        model.weight += 1
    best.update(8, 0.5, model)
    best.update(9, None, model)
    found, other = BestWeights(), torch.nn.Linear(2, 1)
    found.restore(other)
    assert not torch.equal(other.weight, first)
    found.load_state(best.state())
    assert (found.epoch, found.error) == (7, 0.5)
    found.restore(other)
    assert torch.equal(other.weight, first)


@pytest.fixture(scope="module")
def earlier(store, tmp_path_factory):
    """A trained model."""
    files = files_in(tmp_path_factory.mktemp("earlier"))
    training_in(store, settings(epochs=3)).run(files, {})
    return files.model


def test_warm_start_begins_with_the_same_function(store, earlier):
    mapping = settings()
    mapping["trainer_params"]["train_sim"] = [1]  # with different statistics
    warm, cold = (training_in(store, mapping, warm_start=path) for path in (earlier, None))
    state = torch.randn(2, 2, 16, 12)
    found = warm.model.rollout(state, 3)
    assert torch.equal(found, load_synthetic_model(earlier).rollout(state, 3))
    assert not torch.allclose(found, cold.model.rollout(state, 3), rtol=1e-2)


def test_warm_start_of_another_architecture_is_rejected(store, earlier):
    mapping = settings()
    mapping["model"]["synthetic"]["architecture"]["hidden_channels"] = 6
    with pytest.raises(CheckpointError, match="its architecture is another one"):
        training_in(store, mapping, warm_start=earlier)


@pytest.mark.parametrize("keep", ["best", "last"])
@pytest.mark.parametrize(("reverts", "after"), [(True, 0.3), (True, 0.1), (False, 0.3)])
def test_revert_if_worse(store, earlier, tmp_path, monkeypatch, keep, reverts, after):
    scripted(monkeypatch, ([0.2] if reverts else []) + [0.5, after])
    mapping = settings(epochs=2, keep=keep) | {"hybrid": {"revert_if_worse": reverts}}
    training = training_in(store, mapping, warm_start=earlier, cycle=(2, 3))
    with warnings.catch_warnings(record=True) as issued:
        warnings.simplefilter("always")
        rows = training.run(files_in(tmp_path), {})
    assert [row["epoch"] for row in rows] == ([2] if reverts else []) + [3, 4]
    is_reverted = torch.equal(flat(training.model), flat(load_synthetic_model(earlier)))
    assert is_reverted == (reverts and after > 0.2)
    assert any("which is kept" in str(each.message) for each in issued) == is_reverted
    if reverts:
        assert rows[0]["train_loss"] is None and rows[0]["val_vrmse"] == 0.2
        assert read_rows(tmp_path / "history.csv") == rows


def test_each_cycle_has_separate_checkpoints(store, earlier, tmp_path, monkeypatch):
    mapping = settings(epochs=1)
    used = set()
    for cycle, start in [((1, 2), None), ((2, 2), earlier), ((2, 2), None)]:
        training = training_in(store, mapping, warm_start=start, cycle=cycle)
        used.add(str(training._full_identity({"settings": "the same"})))
    assert len(used) == 3


def test_tensorboard_has_the_history(store, tmp_path):
    pytest.importorskip("tensorboard", reason="the package tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    files = files_in(tmp_path, tensorboard=tmp_path / "scalars")
    rows = training_in(store, settings(validate_every=4)).run(files, {})
    events = EventAccumulator(str(tmp_path / "scalars"))
    events.Reload()
    losses = events.Scalars("train_loss")
    assert [event.step for event in losses] == [1, 2, 3, 4]
    assert [event.value for event in losses] == pytest.approx([row["train_loss"] for row in rows])
    assert [event.step for event in events.Scalars("val_vrmse")] == [4]


def test_missing_tensorboard_is_reported_before_training(store, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    training = training_in(store, settings())
    with pytest.raises(ConfigError, match="workflow.tensorboard: true: the package 'tensorboard'"):
        training.run(files_in(tmp_path, tensorboard=tmp_path / "scalars"), {})
    assert training.trainer.losses == []


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"patience": 3, "val_sim": []}, "patience: 3: early stopping needs validation"),
        ({"pushforward": 2}, "pushforward: 2: must be less than trainer_params.num_predict_steps"),
        ({"curriculum": {"first_steps": 3}}, "first_steps: 3: must not exceed trainer_params"),
    ],
)
def test_contradictory_options_are_rejected(training, message):
    mapping = settings(**training)
    if "val_sim" in training:
        del mapping["trainer_params"]["val_sim"]
    with pytest.raises(ConfigError, match=message):
        check_experiment(parse_experiment(mapping), "case.yaml")
