"""Equation parameters as surrogate inputs: channels, defaults, predictions, checks."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hybrid_pde.config import Experiment, parse_experiment
from hybrid_pde.config.checks.data import check_against_data
from hybrid_pde.config.checks.surrogate import surrogate_input_errors
from hybrid_pde.config.discovery import built_in_equations
from hybrid_pde.data import CacheManager, HybridDataset, collate_windows
from hybrid_pde.data.cache.cache_header import CacheHeader
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.domain.known_values import KnownParameter
from hybrid_pde.errors import ConfigError
from hybrid_pde.models.synthetic.synthetic_predictor import SyntheticPredictor
from hybrid_pde.result_warnings import ResultWarning
from hybrid_pde.training.synthetic.training_windows import warn_of_unseen_medium
from tests.unit.surrogates import PERIODIC, awake, surrogate

GRID = Grid(("x", "y"), (6, 4), (0.0, 0.0), (3.0, 1.0), (PERIODIC, PERIODIC), (False, False))
NAMES = ["velocity", "nu", "wind"]
KINDS = {"nu": (), "wind": ("x", "y")}
FRAMES = 5


def store_of(folder: Path, *known: dict[str, Any]) -> CacheManager:
    """A store with one simulation for each mapping of known parameters."""
    store = CacheManager(folder)
    for index, values in enumerate(known):
        random = np.random.default_rng(index)
        brought = [
            each
            if isinstance(each, KnownParameter)
            else KnownParameter(name, KINDS[name], values=each)
            for name, each in values.items()
        ]
        fields = {"velocity": random.normal(size=(FRAMES, 2, 6, 4))}
        fields |= {each.layout.name: np.ones((1, 6, 4)) for each in brought if each.is_field}
        layouts = [FieldLayout("velocity", ("x", "y"))]
        store.write(index, fields, GRID, 0.5, {"file": f"raw_{index}"}, layouts, brought)
    return store


def windows(store: CacheManager, sims: list[int], **settings: Any) -> HybridDataset:
    return HybridDataset(store, sims, settings.pop("names", NAMES), num_predict_steps=2, **settings)


def test_each_simulations_values_are_constant_channels(tmp_path: Path) -> None:
    store = store_of(tmp_path, {"nu": 0.5, "wind": (1.0, 2.0)}, {"nu": 0.25, "wind": (3.0, 4.0)})
    dataset = windows(store, [0, 1])
    assert [layout.name for layout in dataset.layouts] == NAMES
    assert [layout.static for layout in dataset.layouts] == [False, True, True]
    assert [layout.components for layout in dataset.layouts] == [("x", "y"), (), ("x", "y")]
    assert [layout.name for layout in dataset.output_layouts] == ["velocity"]
    for index, expected in ((0, [0.5, 1.0, 2.0]), (3, [0.25, 3.0, 4.0])):
        state, targets = dataset[index]
        simulation, start = dataset.window(index)
        assert torch.equal(state[:2], store.load(simulation).fields["velocity"][start])
        numbers = torch.tensor(expected)[:, None, None]
        assert torch.equal(state[2:], numbers.expand(3, 6, 4))
        assert targets.shape == (2, 2, 6, 4)


def test_a_batch_equals_single_windows_also_after_pickling(tmp_path: Path) -> None:
    store = store_of(tmp_path, {"nu": 0.5, "wind": (1.0, 2.0)}, {"nu": 0.25, "wind": (3.0, 4.0)})
    dataset = pickle.loads(pickle.dumps(windows(store, [0, 1])))
    inputs, targets = dataset.gather([0, 4, 2])
    expected = collate_windows([dataset[index] for index in (0, 4, 2)])
    assert torch.equal(inputs, expected[0])
    assert torch.equal(targets, expected[1])


def test_a_simulation_without_a_value_takes_the_given_one(tmp_path: Path) -> None:
    store = store_of(tmp_path / "real", {"nu": 0.5}, {})
    given = {"nu": (0.1,), "wind": (7.0, 8.0), "other": (9.0,)}
    dataset = windows(store, [0, 1], parameters=given)
    assert dataset[0][0][2:, 0, 0].tolist() == [0.5, 7.0, 8.0]
    assert dataset[3][0][2:, 0, 0].tolist() == pytest.approx([0.1, 7.0, 8.0])
    assert dataset.parameters == {"nu": (0.1,), "wind": (7.0, 8.0)}
    generated = store_of(tmp_path / "generated", {"nu": 0.3})
    like = dataset.like(generated, [0])
    assert like[0][0][2:, 0, 0].tolist() == pytest.approx([0.3, 7.0, 8.0])
    assert like.layouts == dataset.layouts


def test_a_field_takes_precedence_over_a_parameter_of_the_same_name(tmp_path: Path) -> None:
    dataset = windows(
        store_of(tmp_path, {}), [0], names=["velocity"], parameters={"velocity": (1.0,)}
    )
    assert dataset[0][0].std() > 0.5
    assert dataset.parameters == {}


FIELD = KnownParameter("nu", is_field=True)
CHANGING = KnownParameter("nu", static=False, values=(1.0,) * FRAMES)
REFUSED: dict[str, tuple[list[dict[str, Any]], dict[str, Any], str]] = {
    "no value": ([{"nu": 0.5}, {}], {}, "parameter 'nu': raw_1 has no value of its own"),
    "nowhere": ([{}], {}, "field 'nu' is not in the data"),
    "a field": ([{"nu": FIELD}], {}, "'nu': a field in the data; .* a number"),
    "changing": ([{"nu": CHANGING}], {}, "'nu': a number that changes in time in the data"),
    "of other numbers": ([{"nu": 0.5}, {}], {"nu": (1.0, 2.0)}, r"'nu': \[1, 2\] numbers"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_invalid_inputs_are_rejected(tmp_path: Path, case: str) -> None:
    known, given, message = REFUSED[case]
    store = store_of(tmp_path, *known)
    with pytest.raises(ConfigError, match=message):
        windows(store, list(range(len(known))), names=["velocity", "nu"], parameters=given)


def test_a_predictor_uses_the_value_of_the_simulation_or_the_model() -> None:
    model = awake(surrogate("ConvNet", (PERIODIC,), {"u": 1, "nu": 1, "wind": 2}, {"u": 1}))
    model.parameter_defaults = {"nu": (0.5,), "wind": (1.0, 2.0)}
    predictor, state = SyntheticPredictor(model), torch.randn(2, 1, 8)

    def expected(*numbers: float) -> torch.Tensor:
        constant = torch.tensor(numbers).view(1, 3, 1).expand(2, 3, 8)
        with torch.no_grad():
            return model.rollout(torch.cat([state, constant], dim=1), 3)

    assert torch.equal(predictor({"u": state}, 3)["u"], expected(0.5, 1.0, 2.0))
    own = {"u": state, "known:nu": torch.tensor([0.1, 0.1], dtype=torch.float64)}
    own["known:wind"] = torch.tensor([[3.0, 4.0]] * 2, dtype=torch.float64)
    assert torch.equal(predictor(own, 3)["u"], expected(0.1, 3.0, 4.0))
    assert not torch.allclose(expected(0.1, 3.0, 4.0), expected(0.5, 1.0, 2.0), atol=1e-3)


def test_a_predictor_without_a_constant_value_says_so() -> None:
    predictor = SyntheticPredictor(surrogate("ConvNet", (PERIODIC,), {"u": 1, "nu": 1}, {"u": 1}))
    state = torch.randn(1, 1, 8)
    with pytest.raises(ConfigError, match=r"input_specs\.nu: neither a field .* no default value"):
        predictor({"u": state}, 1)
    with pytest.raises(ConfigError, match=r"input_specs\.nu: 1: .* shape \[5\]"):
        predictor({"u": state, "known:nu": torch.ones(1, 5)}, 1)


def experiment(kind: str, inputs: dict[str, int], **changes: Any) -> dict[str, Any]:
    return {
        "run_params": {"model_type": kind},
        "data": {"dset_name": "d", "fields": ["velocity"]} | changes.pop("data", {}),
        "model": {
            "physical": {"name": "BurgersPDE"} | changes.pop("physical", {}),
            "synthetic": {
                "name": "UNet",
                "input_specs": {"velocity": 2} | inputs,
                "output_specs": {"velocity": 2},
            },
        },
        "trainer_params": {
            "train_sim": [0],
            "physical": {
                "learnable_parameters": [{"name": "viscosity", "initial_guess": 0.1, **changes}]
            },
        },
    }


def lines(config: dict[str, Any]) -> list[str]:
    from hybrid_pde.config.checks.consistency import check_experiment

    try:
        check_experiment(parse_experiment(config), "case.yaml")
    except ConfigError as error:
        return str(error).splitlines()
    return []


def test_parameters_of_the_equation_and_known_ones_may_be_inputs() -> None:
    assert not lines(experiment("hybrid", {"viscosity": 1, "advection": 1}))
    known = {"known_parameters": {"depth": "d"}}
    assert not lines(experiment("synthetic", {"depth": 1}, data=known))


def test_unknown_inputs_are_rejected_with_the_available_ones() -> None:
    (line,) = lines(experiment("hybrid", {"viscosty": 1}))
    assert "input_specs.viscosty: not in data.fields, and not a parameter of BurgersPDE" in line
    assert "did you mean 'viscosity'" in line
    (line,) = lines(experiment("synthetic", {"viscosity": 1}))
    assert "input_specs.viscosity: not in data.fields, and not in data.known_parameters" in line
    (line,) = lines(experiment("hybrid", {"viscosity": 2}))
    assert "input_specs.viscosity: 2: must be 1, its number of components" in line


def test_a_parameter_learned_as_a_field_is_rejected_as_input() -> None:
    config = experiment("hybrid", {"diffusivity": 1})
    config["trainer_params"]["physical"]["learnable_parameters"] = [
        {"name": "diffusivity", "initial_guess": 1.0, "parametrization": {"type": "grid"}}
    ]
    found = list(
        surrogate_input_errors(parse_experiment(config), built_in_equations()["DiffusionPDE"])
    )
    assert len(found) == 1
    assert "input_specs.diffusivity: learned as a field" in found[0]


def test_kinds_in_the_data_are_compared_with_the_inputs() -> None:
    config = experiment("synthetic", {"nu": 2}, data={"known_parameters": {"nu": "nu"}})
    layouts = [FieldLayout("velocity", ("x", "y"))]
    for known, message in (
        (KnownParameter("nu"), r"input_specs\.nu: 2: the data have 1 number"),
        (CHANGING, r"input_specs\.nu: a number that changes in time in the data"),
    ):
        with pytest.raises(ConfigError, match=message):
            check_against_data(
                parse_experiment(config), "case.yaml", layouts, [20, 20], GRID, [known]
            )
    wind = KnownParameter("nu", ("x", "y"))
    check_against_data(parse_experiment(config), "case.yaml", layouts, [20, 20], GRID, [wind])


def test_a_vector_parameter_needs_one_channel_per_axis() -> None:
    config = experiment("hybrid", {"buoyancy": 1})
    config["model"]["physical"]["name"] = "NavierStokesPDE"
    layouts = [FieldLayout("velocity", ("x", "y"))]
    with pytest.raises(ConfigError, match=r"input_specs\.buoyancy: 1: must be 2"):
        check_against_data(parse_experiment(config), "case.yaml", layouts, [20, 20], GRID)


def test_a_grid_unsuitable_for_the_architecture_is_reported_before_the_run() -> None:
    config = experiment("synthetic", {})
    config["model"]["synthetic"]["architecture"] = {"depth": 3, "kernel_size": 5}
    layouts = [FieldLayout("velocity", ("x", "y"))]
    with pytest.raises(ConfigError, match=r"case.yaml: .*architecture\.depth: 3: the grid"):
        check_against_data(parse_experiment(config), "case.yaml", layouts, [20, 20], GRID)


def test_a_bundle_longer_than_a_window_is_rejected() -> None:
    config = experiment("synthetic", {})
    config["model"]["synthetic"]["bundle"] = 9
    config["trainer_params"]["num_predict_steps"] = 8
    (line,) = lines(config)
    assert "model.synthetic.bundle: 9: trainer_params.num_predict_steps is 8" in line


def test_a_current_that_the_surrogate_does_not_see() -> None:
    layouts = (FieldLayout("c"), FieldLayout("u", (), True), FieldLayout("v", (), True))
    current = KnownParameter("velocity", ("x", "y"), is_field=True)
    header = CacheHeader(GRID, layouts, 0.1, (0.0, 0.1), {}, "", {}, (current,))

    def with_inputs(*names: str) -> Experiment:
        specs = {"input_specs": dict.fromkeys(names, 1), "output_specs": {"c": 1}}
        data = {"fields": ["c", "u", "v"], "known_parameters": {"velocity": ["u", "v"]}}
        return parse_experiment({"data": data, "model": {"synthetic": {"name": "UNet", **specs}}})

    with pytest.warns(ResultWarning, match=r"Add u, v to data\.fields, .*\{u: 1, v: 1\}"):
        warn_of_unseen_medium(with_inputs("c"), header)
    warn_of_unseen_medium(with_inputs("c", "u", "v"), header)
