"""Loading of experiment files: defaults, flat and nested form, overrides, errors."""

from dataclasses import replace
from pathlib import Path

import pytest

from hybrid_pde.config import load_experiment, parse_experiment, to_mapping
from hybrid_pde.config.checks.data import check_against_data
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.errors import ConfigError

SYNTHETIC = """
run_params: {model_type: synthetic}
model:
  synthetic:
    name: UNet
    input_specs: {velocity: 2, pressure: 1}
    output_specs: {velocity: 2, pressure: 1}
data: {dset_name: burgers_128, data_dir: data, fields: [velocity, pressure]}
trainer_params:
  {train_sim: [0, 1], batch_size: 32, epochs: 100, num_predict_steps: 32, learning_rate: 0.001}
"""
ADVECTION = """
run_params: {model_type: physical}
model: {physical: {name: AdvectionDiffusionPDE, pde_params: {velocity: 0.5}}}
data: {dset_name: dye, fields: [c]}
trainer_params: {train_sim: [0], learnable_parameters: [{name: diffusivity, initial_guess: 0.1}]}
"""
PERIODIC = Grid(
    axes=("x", "y"),
    shape=(8, 6),
    lower=(0.0, 0.0),
    upper=(1.0, 0.75),
    boundary=(("periodic", "periodic"), ("periodic", "periodic")),
    nodes_on_boundary=(False, False),
)
PHYSICAL = """
run_params: {model_type: physical}
model: {physical: {name: BurgersPDE, pde_params: {viscosity: 0.01}}}
data: {dset_name: burgers_128, data_dir: data, fields: [velocity]}
trainer_params:
  train_sim: [0]
  epochs: 1
  num_predict_steps: 32
  learnable_parameters: [{name: viscosity, initial_guess: 0.02}]
  method: L-BFGS-B
  abs_tol: 1e-6
  max_iterations: 100
  suppress_convergence_errors: false
"""
HYBRID = """
model:
  physical: {name: BurgersPDE}
  synthetic: {name: UNet, input_specs: {velocity: 2}, output_specs: {velocity: 2}}
data: {dset_name: burgers_128, fields: [velocity]}
trainer_params:
  train_sim: [0]
  num_predict_steps: 8
  physical: {learnable_parameters: [{name: viscosity, initial_guess: 0.02, bounds: [1.0e-5, 0.1]}]}
  synthetic: {epochs: 5, learning_rate: "1e-3"}
"""


EVERY_SECTION = """
run_params: {experiment_name: burgers_2d, model_type: hybrid, seed: 0}
project_root: .
data:
  data_dir: data
  dset_name: burgers_128
  fields: [velocity]
  format: auto
  variables: {velocity: [u, v]}
  dims: {time: time, x: x, y: y}
  domain: {x: [0.0, 1.0]}
  boundary: periodic
  cache_dir: data/cache
model:
  physical:  {name: BurgersPDE, pde_params: {viscosity: 0.01}, numerics: auto}
  synthetic: {name: UNet, input_specs: {velocity: 2}, output_specs: {velocity: 2}, architecture: {}}
trainer_params:
  train_sim: [0, 1, 2]
  val_sim: [3]
  test_sim: [4, 5]
  num_predict_steps: 8
  physical:
    learnable_parameters: [{name: viscosity, initial_guess: 0.02, bounds: [1.0e-5, 0.1]}]
    method: gauss-newton
    max_iterations: 100
    abs_tol: 1.0e-6
    suppress_convergence_errors: false
  synthetic: {epochs: 100, batch_size: 32, learning_rate: 1.0e-3}
augmentation: {enabled: true, num_simulations: 64, alpha: 0.5}
hybrid: {cycles: 1}
evaluation_params: {num_steps: null}
workflow: {sims_per_job: 50, checkpoint_every_s: 60}
"""


def write(folder: Path, text: str, name: str = "case.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("text", [SYNTHETIC, PHYSICAL, HYBRID])
def test_loading_is_idempotent(tmp_path: Path, text: str) -> None:
    mapping = load_experiment(write(tmp_path, text))
    assert to_mapping(parse_experiment(mapping)) == mapping
    assert mapping["run_params"]["experiment_name"] == "case"
    assert mapping["data"]["cache_dir"] == "data/cache"
    assert mapping["project_root"] == "."


def test_every_section_of_the_experiment_file_loads(tmp_path: Path) -> None:
    mapping = load_experiment(write(tmp_path, EVERY_SECTION))
    assert mapping["run_params"]["experiment_name"] == "burgers_2d"
    assert mapping["data"]["domain"] == {"x": [0.0, 1.0]}
    assert mapping["evaluation_params"]["num_steps"] is None


def test_numerics_may_be_the_name_of_a_scheme(tmp_path: Path) -> None:
    text = EVERY_SECTION.replace("numerics: auto", "numerics: spectral")
    numerics = load_experiment(write(tmp_path, text))["model"]["physical"]["numerics"]
    assert numerics["scheme"] == "spectral"
    with pytest.raises(ConfigError, match="'spectrl'.*'spectral'"):
        load_experiment(write(tmp_path, text.replace("spectral", "spectrl")))


def test_flat_trainer_settings_stay_flat_for_one_model(tmp_path: Path) -> None:
    trainer = load_experiment(write(tmp_path, PHYSICAL))["trainer_params"]
    assert trainer["learnable_parameters"][0]["name"] == "viscosity"
    assert trainer["method"] == "L-BFGS-B"
    assert trainer["abs_tol"] == 1e-6, "a YAML loader reads 1e-6 as a string"


def test_physical_dt_can_be_subscripted(tmp_path: Path) -> None:
    assert load_experiment(write(tmp_path, PHYSICAL))["model"]["physical"]["dt"] is None


def test_numbers_written_as_strings_are_numbers_through_both_loaders(tmp_path: Path) -> None:
    text = PHYSICAL.replace("initial_guess: 0.02", "initial_guess: 2e-2")
    path = write(tmp_path, text)
    from_file = load_experiment(path)["trainer_params"]
    overridden = load_experiment(path, ["trainer_params.abs_tol=1e-7"])["trainer_params"]
    assert from_file["learnable_parameters"][0]["initial_guess"] == 0.02
    assert overridden["abs_tol"] == 1e-7


def test_shared_keys_reach_both_stages_and_a_section_overrides_them(tmp_path: Path) -> None:
    text = HYBRID.replace("synthetic: {epochs: 5", "synthetic: {num_predict_steps: 3, epochs: 5")
    training = parse_experiment(load_experiment(write(tmp_path, text))).trainer_params
    assert training.physical.num_predict_steps == 8
    assert training.synthetic.num_predict_steps == 3
    assert training.physical.train_sim == training.synthetic.train_sim == [0]


def test_flat_override_wins_on_a_nested_file(tmp_path: Path) -> None:
    path = write(tmp_path, HYBRID)
    training = parse_experiment(load_experiment(path, ["trainer_params.epochs=200"])).trainer_params
    assert training.synthetic.epochs == 200


def test_section_override_wins_on_a_flat_file(tmp_path: Path) -> None:
    path = write(tmp_path, SYNTHETIC)
    overrides = ["trainer_params.synthetic.epochs=7"]
    training = parse_experiment(load_experiment(path, overrides)).trainer_params
    assert training.synthetic.epochs == 7


def test_channels_follow_the_order_of_data_fields(tmp_path: Path) -> None:
    text = SYNTHETIC.replace("{velocity: 2, pressure: 1}", "{pressure: 1, velocity: 2}")
    section = load_experiment(write(tmp_path, text))["model"]["synthetic"]
    assert list(section["input_specs"]) == ["velocity", "pressure"]
    assert list(section["output_specs"]) == ["velocity", "pressure"]


def test_model_type_follows_from_the_models_given() -> None:
    experiment = parse_experiment({"model": {"physical": {"name": "BurgersPDE"}}})
    assert experiment.run_params.model_type == "physical"


def test_empty_sections_and_lists_are_valid(tmp_path: Path) -> None:
    text = HYBRID + "  val_sim: []\n  test_sim: []\naugmentation: {num_simulations: 0}\nhybrid:\n"
    mapping = load_experiment(write(tmp_path, text))
    assert mapping["augmentation"]["num_simulations"] == 0
    assert mapping["hybrid"]["cycles"] == 1


REFUSED = {
    "unknown key": (
        HYBRID.replace("epochs: 5", "epocs: 5"),
        ["trainer_params.synthetic.epocs", "did you mean 'epochs'?", "batch_size"],
    ),
    "unknown section": (HYBRID.replace("data:", "dta:"), ["dta", "did you mean 'data'?"]),
    "wrong type": (HYBRID.replace("epochs: 5", "epochs: abc"), ["epochs", "'abc'", "integer"]),
    "wrong choice": (
        PHYSICAL.replace("L-BFGS-B", "newton"),
        ["method", "'newton'", "'gauss-newton'", "'adam'"],
    ),
    "flat and nested": (
        HYBRID + "  epochs: 7\n",
        ["trainer_params.epochs: 7", "trainer_params.synthetic.epochs (5)"],
    ),
    "no such parameter": (
        HYBRID.replace("viscosity", "viscosty"),
        ["learnable_parameters[0].name", "'viscosty'", "did you mean 'viscosity'?", "advection"],
    ),
    "overlap": (HYBRID + "  test_sim: [0]\n", ["test_sim: [0]", "train_sim"]),
    "guess outside bounds": (
        HYBRID.replace("0.02", "0.2"),
        ["initial_guess: 0.2", "[1e-05, 0.1]"],
    ),
    "no learnable parameter": (
        PHYSICAL.replace("[{name: viscosity, initial_guess: 0.02}]", "[]"),
        ["No 'learnable_parameters' defined"],
    ),
    "unknown equation": (
        PHYSICAL.replace("BurgersPDE", "BurgerPDE"),
        ["'BurgerPDE'", "BurgersPDE"],
    ),
    "unknown architecture": (SYNTHETIC.replace("UNet", "UNt"), ["'UNt'", "UNet"]),
    "unknown architecture option": (
        HYBRID.replace("name: UNet,", "name: UNet, architecture: {dept: 2},"),
        ["model.synthetic.architecture.dept", "did you mean 'depth'?"],
    ),
    "unknown field": (
        SYNTHETIC.replace("fields: [velocity, pressure]", "fields: [velocity]"),
        ["input_specs.pressure", "data.fields"],
    ),
    "missing parameter": (
        PHYSICAL.replace(
            "{name: viscosity, initial_guess", "{name: advection, initial_guess"
        ).replace("{viscosity: 0.01}", "{}"),
        ["pde_params.viscosity", "missing"],
    ),
    "missing model": (
        SYNTHETIC.replace("model_type: synthetic", "model_type: hybrid"),
        ["model.physical", "missing"],
    ),
    "key twice": ("data: {}\ndata: {}\n", ["line 2", "'data'", "twice"]),
    "no mapping": ("- 1\n", ["mapping"]),
    "no YAML": ("data: [", ["not a YAML file"]),
    "a Python object": ("data: !!python/object/apply:os.system ['true']", ["not a YAML file"]),
    "name with a path": (
        HYBRID + "run_params: {experiment_name: ../escape}\n",
        ["experiment_name", "../escape"],
    ),
    "data set outside": (HYBRID.replace("burgers_128", ".."), ["dset_name", "'..'"]),
    "not finite": (HYBRID.replace("0.02", ".nan"), ["initial_guess", "finite"]),
    "module missing": (
        HYBRID.replace("{name: BurgersPDE}", "{name: Mine, module: mine.py}"),
        ["model.physical.module", "'mine.py'"],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_error_names_file_key_value_and_what_is_allowed(tmp_path: Path, case: str) -> None:
    text, expected = REFUSED[case]
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_experiment(path)
    message = str(caught.value)
    assert str(path) in message
    for part in expected:
        assert part in message, message


def test_unknown_experiment_lists_the_available_ones() -> None:
    with pytest.raises(ConfigError, match="burgers_2d"):
        load_experiment("no_such_experiment")


@pytest.mark.parametrize(
    "override", ["epochs", "trainer_params.train_sim=[", "run_params.seed.x=1"]
)
def test_malformed_override_is_rejected(tmp_path: Path, override: str) -> None:
    with pytest.raises(ConfigError, match="override|seed"):
        load_experiment(write(tmp_path, HYBRID), [override])


def test_experiment_is_checked_against_the_data(tmp_path: Path) -> None:
    text = HYBRID + "  val_sim: [4]\n"
    experiment = parse_experiment(load_experiment(write(tmp_path, text)))
    layouts = [FieldLayout("velocity", ("x", "y", "z"))]
    with pytest.raises(ConfigError) as caught:
        check_against_data(experiment, "case.yaml", layouts, [9, 8], PERIODIC)
    message = str(caught.value)
    assert "val_sim: [4]: not found" in message
    assert "has 2 simulations, counted from 0" in message
    assert "input_specs.velocity: 2: the data have 3 channel(s)" in message


def test_simulation_shorter_than_a_window_is_rejected(tmp_path: Path) -> None:
    experiment = parse_experiment(load_experiment(write(tmp_path, HYBRID)))
    layouts = [FieldLayout("velocity", ("x", "y"))]
    with pytest.raises(ConfigError, match="num_predict_steps: 8: simulation 0 has 8 frames"):
        check_against_data(experiment, "case.yaml", layouts, [8], PERIODIC)
    check_against_data(experiment, "case.yaml", layouts, [9], PERIODIC)


def test_boundary_that_the_scheme_does_not_support_is_rejected(tmp_path: Path) -> None:
    text = HYBRID.replace("name: BurgersPDE}", "name: BurgersPDE, numerics: spectral}")
    experiment = parse_experiment(load_experiment(write(tmp_path, text)))
    layouts = [FieldLayout("velocity", ("x", "y"))]
    walls = replace(PERIODIC, boundary=(("periodic", "periodic"), ("zero-gradient", 0.0)))
    message = r"scheme: spectral: .*'periodic'.*'y': \['zero-gradient', 0.0\].*finite_difference"
    with pytest.raises(ConfigError, match=message):
        check_against_data(experiment, "case.yaml", layouts, [9], walls)
    check_against_data(experiment, "case.yaml", layouts, [9], PERIODIC)
    differences = parse_experiment(load_experiment(write(tmp_path, HYBRID)))
    check_against_data(differences, "case.yaml", layouts, [9], walls)
    synthetic = parse_experiment(load_experiment(write(tmp_path, SYNTHETIC)))
    check_against_data(synthetic, "case.yaml", layouts, [33, 33], walls)


def test_vector_parameter_must_fit_the_axes_of_the_data(tmp_path: Path) -> None:
    text = ADVECTION.replace("velocity: 0.5", "velocity: [0.5, 0.1, 0.0]")
    experiment = parse_experiment(load_experiment(write(tmp_path, text)))
    with pytest.raises(ConfigError, match=r"pde_params.velocity: .* 2 axes \(x, y\)"):
        check_against_data(experiment, "case.yaml", [FieldLayout("c")], [9], PERIODIC)


WRONG_VALUES = {
    "initial_guess: 0.1": ("initial_guess: -0.1", "initial_guess: -0.1: must not be negative"),
    "{name: diffusivity, initial_guess: 0.1}": (
        "{name: diffusivity, initial_guess: [0.1, 0.2]}",
        "initial_guess: .*: must be a single number",
    ),
    "fields: [c]": ("fields: [c], variables: {d: c}", "data.variables.d: not in data.fields"),
    "velocity: 0.5}": (
        "velocity: 0.5}, numerics: {scheme: spectral, order: 6}",
        "numerics.order: 6: spectral: allowed: 2, 4",
    ),
}


@pytest.mark.parametrize("right", WRONG_VALUES)
def test_invalid_value_is_rejected(tmp_path: Path, right: str) -> None:
    load_experiment(write(tmp_path, ADVECTION))
    wrong, message = WRONG_VALUES[right]
    with pytest.raises(ConfigError, match=message):
        load_experiment(write(tmp_path, ADVECTION.replace(right, wrong)))


def test_file_with_an_invalid_name_needs_an_experiment_name(tmp_path: Path) -> None:
    path = tmp_path / "größe 1.yaml"
    path.write_text(HYBRID, encoding="utf-8")
    with pytest.raises(
        ConfigError, match="experiment_name: 'größe 1': .*by default it is that of the file"
    ):
        load_experiment(path)
    named = load_experiment(path, ["run_params.experiment_name=size_1"])
    assert named["run_params"]["experiment_name"] == "size_1"


def test_generated_data_may_have_walls_unless_the_scheme_has_none() -> None:
    walls = "data.boundary={x: periodic, y: zero-gradient}"
    load_experiment("burgers_2d", [walls])
    with pytest.raises(ConfigError, match="spectral: needs periodic.*zero-gradient"):
        load_experiment("burgers_2d", [walls, "model.physical.numerics=spectral"])
    with pytest.raises(ConfigError, match="data.boundary: .*slippery"):
        load_experiment("burgers_2d", ["data.boundary=slippery"])


def test_shipped_experiments_load() -> None:
    synthetic = load_experiment("burgers_experiment")
    physical = load_experiment("burgers_physical_experiment")
    assert synthetic["trainer_params"]["num_predict_steps"] == 32
    assert physical["trainer_params"]["learnable_parameters"][0]["initial_guess"] == 0.02
    assert synthetic["generation_params"] == physical["generation_params"]
