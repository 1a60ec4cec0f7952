"""Settings of a surrogate's training that an experiment leaves open."""

import csv
from typing import Any

import pytest
import torch

from hybrid_pde.config import parse_experiment
from hybrid_pde.config.derived import complete_training
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.errors import DivergenceError
from hybrid_pde.interruption import Interrupted
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.models.surrogate_file import load_saved_model
from hybrid_pde.models.tensor_file import read_tensor_file
from hybrid_pde.result_warnings import ResultWarning
from hybrid_pde.training.synthetic import automatic_settings, settings_search, validated_training
from hybrid_pde.training.synthetic.automatic_settings import settings_for
from hybrid_pde.training.synthetic.schedules import rollout_steps
from hybrid_pde.training.synthetic.skill_warnings import warn_of_no_skill
from hybrid_pde.training.synthetic.step_losses import STEPS_BETWEEN_CHECKS, StepLosses
from hybrid_pde.training.synthetic.synthetic_trainer import SyntheticTrainer
from hybrid_pde.training.synthetic.training_windows import epoch_length
from tests.learning.surrogate_cases import files_in, settings, simulated, training_in


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> SimulationStore:
    return simulated(tmp_path_factory.mktemp("data"))


@pytest.fixture
def small_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training of 20 epochs of a step, and short trainings of two epochs."""
    monkeypatch.setattr(automatic_settings, "STEPS", range(20, 21))
    monkeypatch.setattr(validated_training, "LEAST_SEARCHED", 20)
    monkeypatch.setattr(settings_search, "EPOCHS", 2)


def open_settings(**training: Any) -> dict[str, Any]:
    """The small experiment with the data's simulations, and no training option but those given.

    Its search tries no potentials, as one network more is enough for most tests.
    """
    mapping = settings()
    mapping["model"]["synthetic"]["potentials"] = False
    mapping["trainer_params"] = {"train_sim": [0, 1], "val_sim": [2, 3], "synthetic": training}
    return mapping


def test_a_trainer_in_python_has_its_usual_defaults():
    training = complete_training(parse_experiment({}))
    found = (training.epochs, training.batch_size, training.learning_rate, training.scheduler)
    assert found == (100, 32, 1e-3, "cosine")
    assert training.num_predict_steps == 8


def default_surrogate(space: tuple[int, ...], **architecture: Any):
    """An experiment without training options, and its surrogate on a periodic grid."""
    specs = {"u": 1}
    surrogate = {"input_specs": specs, "output_specs": specs, "architecture": architecture}
    mapping = {"model": {"synthetic": {"name": "UNet", **surrogate}}}
    experiment = parse_experiment(mapping | {"run_params": {"model_type": "synthetic"}})
    boundary = (("periodic", "periodic"),) * len(space)
    kind = ModelRegistry(experiment).synthetic_class()
    return experiment, kind(experiment, spatial_dims=len(space), boundary=boundary)


@pytest.mark.parametrize(
    ("space", "depth", "batch", "steps"),
    [
        ((128,), 1, 16, 8000),
        ((128,), 3, 16, 5400),
        ((64, 64), 1, 4, 3400),
        ((256, 256), 1, 1, 970),
        ((32, 32, 32), 1, 1, 290),
    ],
)
def test_the_budget_follows_from_grid_and_network(space, depth, batch, steps):
    found = settings_for(*default_surrogate(space, depth=depth), space)
    assert (found.batch_size, found.num_predict_steps, found.scheduler) == (batch, 1, "one_cycle")
    windows = found.windows_per_epoch
    assert windows is not None
    assert found.epochs * windows / batch == pytest.approx(steps, rel=0.1)


@pytest.mark.parametrize(
    ("longest", "bundle", "steps", "first"), [(40, 1, 4, 1), (3, 1, 3, 1), (40, 2, 8, 2)]
)
def test_rollouts_grow_within_the_same_budget(longest, bundle, steps, first):
    experiment, model = default_surrogate((64, 64))
    model.bundle = bundle
    chosen = {"num_predict_steps": bundle}
    plain, found = (
        settings_for(experiment, model, (64, 64), chosen, longest=n) for n in (0, longest)
    )
    assert plain.curriculum is None and plain.num_predict_steps == bundle
    assert found.num_predict_steps == steps
    assert found.curriculum is not None and found.curriculum.first_steps == first
    assert plain.windows_per_epoch is not None and found.windows_per_epoch is not None
    lengths = [rollout_steps(found.curriculum, steps, epoch / 20) for epoch in range(20)]
    assert lengths[0] == first and lengths[-2:] == [steps] * 2
    passes = sum(-(-each // bundle) for each in lengths) / 20
    assert passes * found.windows_per_epoch == pytest.approx(plain.windows_per_epoch, rel=0.05)


@pytest.mark.parametrize(("frames", "epochs"), [(80, 20), (4000, 6), (100_000, 5)])
def test_long_validations_are_made_less_often(frames, epochs):
    space = (64, 64)
    few, many = (settings_for(*default_surrogate(space), space, validated=n) for n in (0, frames))
    assert many.epochs == epochs
    assert few.windows_per_epoch is not None and many.windows_per_epoch is not None
    total = few.epochs * few.windows_per_epoch
    assert many.epochs * many.windows_per_epoch == pytest.approx(total, rel=0.01)


def test_settings_that_are_given_stay(store):
    mapping = open_settings(epochs=7, windows_per_epoch=12, learning_rate=2e-3)
    training = training_in(store, mapping)._training.settings
    assert (training.epochs, training.windows_per_epoch, training.learning_rate) == (7, 12, 2e-3)
    assert training.scheduler == "cosine"


def test_an_experiment_without_options_is_searched_trained_and_recorded(
    store, small_budget, tmp_path
):
    training = training_in(store, open_settings())
    files = files_in(tmp_path)
    training.run(files, {})
    rows = read_tensor_file(files.model, "synthetic model")["search"]
    assert [row["learning_rate"] for row in rows[:3]] == [1e-3, 3e-3, 1e-2]
    assert [row["coordinates"] for row in rows] == [0, 0, 0, 4, rows[4]["coordinates"]]
    assert {row["steps"] for row in rows[:4]} == {1} and rows[4]["steps"] == 2
    best = min(rows[:3], key=lambda row: row["val_vrmse"])
    saved = load_saved_model(files.model).experiment.trainer_params
    assert saved.synthetic.learning_rate == best["learning_rate"]
    with files.history.open(encoding="utf-8") as file:
        history = list(csv.DictReader(file))
    assert len(history) == saved.synthetic.epochs == 20
    assert float(history[2]["learning_rate"]) == pytest.approx(best["learning_rate"])


def test_an_interrupted_search_is_not_repeated(store, small_budget, tmp_path, monkeypatch):
    whole = training_in(store, open_settings())
    whole.run(files_in(tmp_path / "whole"), {})
    trained = []
    original = SyntheticTrainer.train_epochs

    def train(self, *arguments, **options):
        if len(trained) == 2:
            trained.append("killed")
            raise Interrupted(15)
        trained.append(self.training.learning_rate)
        return original(self, *arguments, **options)

    monkeypatch.setattr(SyntheticTrainer, "train_epochs", train)
    with pytest.raises(Interrupted):
        training_in(store, open_settings()).run(files_in(tmp_path), {})
    again = training_in(store, open_settings())
    again.run(files_in(tmp_path), {})
    assert trained[:4] == [1e-3, 3e-3, "killed", 1e-2]
    assert again._training.search == whole._training.search
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name])


def test_a_rate_that_diverges_is_not_chosen(store, small_budget, tmp_path, monkeypatch):
    original = SyntheticTrainer.train_epochs

    def train(self, *arguments, **options):
        if self.training.epochs == 2 and self.training.learning_rate > 1e-3:
            raise DivergenceError("the loss is nan")
        return original(self, *arguments, **options)

    monkeypatch.setattr(SyntheticTrainer, "train_epochs", train)
    training = training_in(store, open_settings(num_predict_steps=1))
    training.run(files_in(tmp_path), {})
    assert training._training.settings.learning_rate == 1e-3


def test_a_later_cycle_takes_the_settings_of_the_first(store, small_budget, tmp_path):
    mapping = open_settings()
    first = training_in(store, mapping, cycle=(1, 2))
    first.run(files_in(tmp_path / "first"), {})
    warm = {"warm_start": tmp_path / "first" / "model.pt", "cycle": (2, 2)}
    second = training_in(store, mapping, **warm)
    assert not second._training.needs_search
    assert second._training.settings == first._training.settings


def search_with_errors(monkeypatch: pytest.MonkeyPatch, without: float, within: float) -> None:
    """Give short trainings these errors, without and with positions or a deeper U-Net."""

    def error(self, training, candidate, loader):
        is_other = candidate["coordinates"] or candidate["architecture"].get("depth") == 2
        return within if is_other else without

    monkeypatch.setattr(settings_search.SettingsSearch, "_error_after", error)


@pytest.mark.filterwarnings("ignore:no epoch had a smaller error")
def test_positions_become_inputs_where_short_trainings_are_better_with_them(
    store, small_budget, tmp_path, monkeypatch
):
    search_with_errors(monkeypatch, without=5.0, within=4.0)
    first = training_in(store, open_settings(num_predict_steps=1), cycle=(1, 2))
    files = files_in(tmp_path / "first")
    first.run(files, {})
    saved = load_saved_model(files.model)
    section = saved.experiment.model.synthetic
    assert section is not None and section.coordinates == saved.model.harmonics == 4
    again = training_in(store, open_settings(), warm_start=files.model, cycle=(2, 2))
    assert again.model.harmonics == 4
    again.run(files_in(tmp_path / "second"), {})


@pytest.mark.filterwarnings("ignore:no epoch had a smaller error")
def test_a_deeper_u_net_is_chosen_where_short_trainings_are_better_with_it(
    store, small_budget, tmp_path, monkeypatch
):
    monkeypatch.setattr(settings_search, "DEPTH", 2)
    search_with_errors(monkeypatch, without=5.0, within=4.0)
    mapping = open_settings(num_predict_steps=1)
    mapping["model"]["synthetic"] |= {"architecture": {"hidden_channels": 4}, "coordinates": 0}
    first = training_in(store, mapping, cycle=(1, 2))
    files = files_in(tmp_path / "first")
    first.run(files, {})
    assert load_saved_model(files.model).model.architecture == {"hidden_channels": 4, "depth": 2}
    again = training_in(store, mapping, warm_start=files.model, cycle=(2, 2))
    again.run(files_in(tmp_path / "second"), {})


@pytest.mark.filterwarnings("ignore:no epoch had a smaller error")
def test_gradients_of_potentials_become_inputs_where_short_trainings_are_better_with_them(
    store, small_budget, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        settings_search.SettingsSearch,
        "_error_after",
        lambda self, training, candidate, loader: 4.0 if candidate["potentials"] else 5.0,
    )
    mapping = open_settings(num_predict_steps=1)
    del mapping["model"]["synthetic"]["potentials"]
    files = files_in(tmp_path / "first")
    training_in(store, mapping, cycle=(1, 2)).run(files, {})
    saved = load_saved_model(files.model)
    section = saved.experiment.model.synthetic
    assert section is not None and section.potentials and saved.model.potentials
    assert saved.model.harmonics == 0  # tried, and no better
    again = training_in(store, mapping, warm_start=files.model, cycle=(2, 2))
    again.run(files_in(tmp_path / "second"), {})
    assert again.model.potentials


@pytest.mark.parametrize(("best_rate", "error"), [(1e-3, 4.0), (1e-2, 4.5)])
def test_a_network_that_is_chosen_is_tried_with_the_other_rates(
    store, small_budget, monkeypatch, best_rate, error
):
    def error_of(self, training, candidate, loader):
        rate = candidate["learning_rate"]
        if not candidate["coordinates"]:
            return 5.0 if rate == 3e-3 else 6.0
        return 4.0 if rate == best_rate == 1e-3 else 4.5

    monkeypatch.setattr(settings_search.SettingsSearch, "_error_after", error_of)
    training = training_in(store, open_settings(num_predict_steps=1))._training
    training.choose_settings()
    rates = [row["learning_rate"] for row in training.search]
    assert rates == [1e-3, 3e-3, 1e-2, 3e-3, 1e-3, 1e-2]
    assert min(row["val_vrmse"] for row in training.search) == error
    assert training.settings.learning_rate == (1e-3 if best_rate == 1e-3 else 3e-3)
    assert training.model.harmonics == 4


def test_potentials_are_tried_with_every_rate(store, small_budget, monkeypatch):
    def error_of(self, training, candidate, loader):
        if not candidate["potentials"]:
            return 5.0 if candidate["learning_rate"] == 1e-3 else 5.1
        return 3.0 if candidate["learning_rate"] == 1e-2 else 6.0

    monkeypatch.setattr(settings_search.SettingsSearch, "_error_after", error_of)
    mapping = open_settings(num_predict_steps=1)
    mapping["model"]["synthetic"] |= {"potentials": None, "coordinates": 0}
    training = training_in(store, mapping)._training
    training.choose_settings()
    assert [row["potentials"] for row in training.search] == [False] * 3 + [True] * 3
    assert training.settings.learning_rate == 1e-2 and training.model.potentials


def test_another_network_may_be_better_with_a_smaller_rate_only(store, small_budget, monkeypatch):
    def error_of(self, training, candidate, loader):
        rate = candidate["learning_rate"]
        if not candidate["coordinates"]:
            return 5.0 if rate == 1e-2 else 6.0
        return 3.0 if rate == 3e-3 else 9.0

    monkeypatch.setattr(settings_search.SettingsSearch, "_error_after", error_of)
    training = training_in(store, open_settings(num_predict_steps=1))._training
    training.choose_settings()
    assert training.settings.learning_rate == 3e-3
    assert training.model.harmonics == 4


@pytest.mark.parametrize(
    ("error", "given", "steps"),
    [(5.0, {}, 40), (1e-3, {}, 20), (5.0, {"epochs": 10, "windows_per_epoch": 32}, 20)],
)
def test_a_training_is_twice_as_long_where_no_short_one_had_a_small_error(
    store, small_budget, monkeypatch, error, given, steps
):
    search_with_errors(monkeypatch, without=error, within=error)
    training = training_in(store, open_settings(**given, batch_size=16))._training
    training.choose_settings()
    settings = training.settings
    assert settings.windows_per_epoch is not None
    assert settings.epochs * settings.windows_per_epoch / settings.batch_size == steps
    assert (settings.curriculum is not None) == (error < 1.0)  # rollouts grow instead


@pytest.mark.parametrize(
    ("without", "within", "model", "symmetries", "rows"),
    [
        (5.0, 4.9, {}, [], 4),  # not enough better
        (1e-3, 0.0, {}, [], 3),  # good without them
        (5.0, 4.0, {"coordinates": 0}, [], 3),  # not asked for
        (5.0, 4.0, {}, ["translation"], 3),  # no place differs from another
    ],
)
def test_positions_are_no_inputs_otherwise(
    store, small_budget, monkeypatch, without, within, model, symmetries, rows
):
    search_with_errors(monkeypatch, without, within)
    mapping = open_settings(num_predict_steps=1)
    mapping["model"]["synthetic"] |= model
    mapping["augmentation"] = {"symmetries": symmetries}
    training = training_in(store, mapping)._training
    training.choose_settings()
    assert (len(training.search), training.model.harmonics) == (rows, 0)


@pytest.mark.parametrize(
    ("real", "generated", "alpha", "epochs", "length"),
    [
        (84, 2688, 0.5, 20, 2688),  # ten passes over the generated windows in all
        (84, 2688, 0.5, 5, 5376),  # one pass in each epoch
        (84, 2688, 0.5, 1000, 168),  # every real window once
        (160, 1280, 0.9, 12, 1600),
        (10, 30, 1.0, 50, 30),
        (10, 30, 0.0, 50, 10),
    ],
)
def test_short_trainings_use_generated_windows_too(real, generated, alpha, epochs, length):
    assert epoch_length(real, generated, alpha, epochs) == length


def test_a_training_that_has_learned_nothing_is_a_warning():
    warn_of_no_skill(200, [0.3, 0.2], 0.5, 0.6)
    warn_of_no_skill(20, [0.3, 0.3], 0.7, 0.6)
    with pytest.warns(ResultWarning, match=r"VRMSE .* is 0\.7, .* beat, 0\.6; train"):
        warn_of_no_skill(200, [0.3, 0.2], 0.7, 0.6)
    with pytest.warns(ResultWarning, match=r"the loss is 0\.3 in each of 2 epochs"):
        warn_of_no_skill(200, [0.3, 0.3], None, None)
    with pytest.warns(ResultWarning, match=r"VRMSE .* is nan, that of persistence"):
        warn_of_no_skill(200, [0.3, 0.2], float("nan"), 0.6)
    with pytest.warns(ResultWarning, match=r"VRMSE .* is inf, that of persistence"):
        warn_of_no_skill(200, [0.3, 0.2], float("inf"), 0.6)


@pytest.mark.filterwarnings("ignore:vrmse. undefined")
def test_fields_that_do_not_change_are_a_warning(tmp_path):
    still = {"type": "bumps", "amplitude": 0.0, "background": 1.5}
    store = simulated(tmp_path, initial_condition=still)
    mapping = settings(epochs=2, windows_per_epoch=200)
    with pytest.warns(ResultWarning, match="predicted fields do not change between the frames"):
        training_in(store, mapping).run(files_in(tmp_path), {})


def test_a_training_without_effect_warns(store, tmp_path):
    mapping = settings(epochs=2, windows_per_epoch=200, learning_rate=1e-12, keep="last")
    with pytest.warns(ResultWarning, match="taught the surrogate nothing"):
        training_in(store, mapping).run(files_in(tmp_path), {})


def test_losses_of_several_steps_are_checked_at_once_on_a_gpu():
    steps = StepLosses(torch.device("cuda"))
    steps._interval = STEPS_BETWEEN_CHECKS
    for batch in range(1, STEPS_BETWEEN_CHECKS + 1):
        assert not steps.is_due
        steps.add(batch, torch.tensor(float("nan") if batch == 5 else 2.0), 3)
        steps.add_norm(torch.tensor(1.0))
    assert steps.is_due
    found = steps.check()
    assert found is not None and (found.what, found.batch) == ("loss", 5)
    assert steps.windows == 3 * STEPS_BETWEEN_CHECKS
    assert steps.is_checked
