"""Parameters of each simulation outside the calibration: checks, table, view, model, report."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import hybrid_pde
from hybrid_pde.config import Experiment, load_experiment, parse_experiment
from hybrid_pde.config.checks.per_simulation import context_errors
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.cache.simulation_view import SimulationView
from hybrid_pde.data.simulation_table import COLUMNS, read_table, values_by_simulation, write_table
from hybrid_pde.data.windows.hybrid_dataset import HybridDataset
from hybrid_pde.domain.known_values import KnownParameter
from hybrid_pde.domain.run_folders import Run
from hybrid_pde.errors import CalibrationError, ConfigError
from hybrid_pde.evaluation.report.parameter_tables import parameter_rows
from hybrid_pde.evaluation.report.simulation_tables import simulation_rows
from hybrid_pde.models.physical.calibrated_model import calibrated_experiment
from hybrid_pde.models.physical.parameters_file import read_result, write_parameters
from hybrid_pde.models.physical.simulation_values import with_values
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.result_warnings import ResultWarning
from hybrid_pde.training.augmentation.parameter_sampling import ParameterSampler
from hybrid_pde.workflow import stage_inputs
from hybrid_pde.workflow.plan import Plan
from hybrid_pde.workflow.stage_settings import stage_settings
from tests.physics.periodic_box import periodic_grid
from tests.unit.raw_files import raw_path, write_simple

GRID = periodic_grid((6,), (1.0,))
EXPERIMENT = """
run_params: {model_type: physical}
data: {dset_name: heat, fields: [u]}
model: {physical: {name: DiffusionPDE}}
trainer_params:
  train_sim: [0, 1]
  test_sim: [2]
  num_predict_steps: 2
  learnable_parameters: [{name: diffusivity, initial_guess: 0.1, per_simulation: true}]
workflow: {sims_per_job: 2}
"""
OWN = "{name: diffusivity, initial_guess: 0.1, per_simulation: true}"


def load(folder: Path, text: str = EXPERIMENT) -> Experiment:
    path = folder / "case.yaml"
    path.write_text(text, encoding="utf-8")
    return parse_experiment(load_experiment(path))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            OWN,
            "{name: diffusivity, initial_guess: 0.1, per_simulation: true, "
            "parametrization: {type: grid}}",
            r"parametrization: grid: a field cannot be learned per simulation",
        ),
        (
            "  test_sim",
            "  method: L-BFGS-B\n  context_frames: 3\n  test_sim",
            None,
        ),
        (
            "per_simulation: true",
            "per_simulation: false",
            None,
        ),
    ],
)
def test_settings_are_checked(tmp_path: Path, old: str, new: str, message: str | None) -> None:
    text = EXPERIMENT.replace(old, new)
    assert text != EXPERIMENT
    if message is None:
        assert load(tmp_path, text).trainer_params.physical.learnable_parameters
        return
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, text)


SHARED = EXPERIMENT.replace("DiffusionPDE}", "AdvectionDiffusionPDE}").replace(
    "per_simulation: true}]", "per_simulation: true}, {name: velocity, initial_guess: 0.1}]"
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            EXPERIMENT.replace("per_simulation: true", "per_simulation: false").replace(
                "  test_sim", "  context_frames: 3\n  test_sim"
            ),
            r"context_frames: 3: it has no effect",
        ),
        (
            SHARED.replace("  test_sim", "  method: adam\n  test_sim"),
            r"method: adam: velocity is shared by the simulations.*gauss-newton",
        ),
        (
            SHARED.replace("  test_sim", "  initial_state: estimate\n  test_sim"),
            r"initial_state: estimate: not possible with parameters of each simulation",
        ),
        (
            EXPERIMENT.replace("fields: [u]", "fields: [velocity]").replace(
                "DiffusionPDE}", "NavierStokesPDE, pde_params: {viscosity: 0.1}}"
            ).replace(OWN, "{name: forcing, initial_guess: [0.1, 2.0], per_simulation: true}"),
            r"forcing has the components amplitude, wavenumber",
        ),
        (
            EXPERIMENT.replace("per_simulation: true", "per_simulation: false").replace(
                "fields: [u]", "fields: [u], known_parameters: {diffusivity: D}"
            ),
            r"learns it; remove one of them, or set per_simulation: true",
        ),
    ],
)  # fmt: skip
def test_impossible_settings_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, text)


def test_stated_values_may_stand_beside_parameters_of_each_simulation(tmp_path: Path) -> None:
    known = "fields: [u], known_parameters: {diffusivity: D}"
    experiment = load(tmp_path, EXPERIMENT.replace("fields: [u]", known))
    assert experiment.data.known_parameters == {"diffusivity": "D"}


def test_held_out_simulations_must_be_long_enough(tmp_path: Path) -> None:
    experiment = load(tmp_path, EXPERIMENT.replace("  test_sim", "  context_frames: 5\n  test_sim"))
    assert not [*context_errors(experiment, [3, 3, 6])]
    (message,) = context_errors(experiment, [3, 3, 5])
    assert message.startswith("trainer_params.context_frames: 5: simulation 2 is held out")


def test_a_surrogate_without_options_is_validated_on_held_out_simulations(tmp_path: Path) -> None:
    """The length of its rollouts is chosen later; one frame after the context is the least."""
    experiment = load(tmp_path, EXPERIMENT)
    training = experiment.trainer_params.synthetic.model_copy(
        update={"num_predict_steps": None, "train_sim": [0], "val_sim": [2]}
    )
    both = experiment.trainer_params.model_copy(update={"synthetic": training})
    hybrid = experiment.model_copy(
        update={
            "run_params": experiment.run_params.model_copy(update={"model_type": "hybrid"}),
            "trainer_params": both,
        }
    )
    assert not [*context_errors(hybrid, [8, 8, 8])]
    assert len([*context_errors(hybrid, [8, 8, 2])]) == 1


def stored(folder: Path, count: int = 3) -> CacheManager:
    """Simulations of 4, 5, … frames, whose value at frame t is 10 · number + t."""
    store = CacheManager(folder / "cache")
    for index in range(count):
        times = torch.arange(4 + index, dtype=torch.float32).reshape(-1, 1, 1)
        known = [
            KnownParameter("diffusivity", values=5.0),
            KnownParameter("boundary.x.lower", static=False, values=tuple(range(4 + index))),
        ]
        fields = {"u": (10 * index + times).expand(-1, 1, 6)}
        store.write(index, fields, GRID, 0.5, {"file": f"{index}.nc"}, known=known)
    return store


def test_a_view_shows_a_part_of_the_frames_and_other_parameters(tmp_path: Path) -> None:
    store = stored(tmp_path)
    given = {1: (KnownParameter("diffusivity", values=0.25),)}
    view = SimulationView(store, {1: (2, 5)}, given, hidden=["diffusivity"])
    simulation = view.load(1)
    assert simulation.fields["u"][:, 0, 0].tolist() == [12.0, 13.0, 14.0]
    assert simulation.times == (1.0, 1.5, 2.0)
    assert float(simulation.known["diffusivity"]) == 0.25
    assert simulation.known["boundary.x.lower"].tolist() == [2.0, 3.0, 4.0]
    assert set(view.load(0).known) == {"boundary.x.lower"}, "the stated value is hidden"
    assert view.load(0).num_frames == 4
    windows = HybridDataset(view, [1], ["u", "diffusivity"], num_predict_steps=1)
    inputs, _ = windows[0]
    assert inputs[:, 0].tolist() == [12.0, 0.25]
    assert windows.store.header(1).num_frames == 3


def rows_of(values: dict[int, float | None], **known: Any) -> list[dict[str, Any]]:
    return [
        {
            "simulation": index,
            "file": f"{index}.nc",
            "parameter": "diffusivity",
            "value": value,
            "std": 0.01,
            "uncertainty": 0.02,
            "loss": 1e-9,
            "status": "failed" if value is None else "converged",
            "known": known.get(f"s{index}"),
        }
        for index, value in values.items()
    ]


def write_result(
    folder: Path, values: dict[int, float | None], experiment: Experiment, **known: Any
) -> Path:
    """Results with a diffusivity of each simulation."""
    training = [values[index] for index in experiment.trainer_params.physical.train_sim]
    parameter = {
        "value": training,
        "std": [None if value is None else 0.01 for value in training],
        "uncertainty": [None if value is None else 0.02 for value in training],
        "bounds": [None, None],
        "initial_guess": 0.1,
        "unit": "length²/time",
        "determined": None not in training,
        "per_simulation": True,
        "simulations": experiment.trainer_params.physical.train_sim,
    }
    numerics = {
        "scheme": "finite_difference", "order": 4, "refine": 1, "dt": 0.5, "grid": GRID.to_dict(),
    }  # fmt: skip
    result = {
        "parameters": {"diffusivity": parameter},
        "undetermined_directions": [],
        "status": "converged",
        "loss": 1e-9,
        "iterations": 3,
        "numerics": numerics,
        "fields": {},
        "table": rows_of(values, **known),
        "experiment": calibrated_experiment(experiment),
    }
    path = folder / "physical" / "parameters.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_parameters(path, result)
    return path


def test_the_table_has_the_agreed_columns_and_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "per_simulation.csv"
    rows = rows_of({0: 1 / 3, 1: None}, s0=0.3)
    write_table(path, rows)
    header = path.read_text(encoding="utf-8").splitlines()[0]
    assert header == "simulation,file,parameter,value,std,uncertainty,loss,status,known"
    assert tuple(header.split(",")) == COLUMNS
    assert read_table(path) == rows
    assert values_by_simulation(rows) == {0: {"diffusivity": 1 / 3}}
    vector = [{**rows[0], "parameter": f"velocity[{i}]", "value": float(i)} for i in (0, 1)]
    assert values_by_simulation(vector) == {0: {"velocity": [0.0, 1.0]}}


def test_a_changed_table_is_refused(tmp_path: Path) -> None:
    path = write_result(tmp_path, {0: 0.1, 1: 0.2, 2: 0.4}, load(tmp_path))
    table = path.with_name("per_simulation.csv")
    table.write_text(table.read_text().replace("0.4", "0.5"))
    with pytest.raises(CalibrationError, match=r"per_simulation\.csv: was changed; re-run"):
        read_result(path)


def test_a_model_needs_a_simulation_or_values(tmp_path: Path) -> None:
    write_result(tmp_path, {0: 0.1, 1: 0.3, 2: 0.4}, load(tmp_path))
    with pytest.raises(CalibrationError, match=r"diffusivity: each simulation has a value of its"):
        hybrid_pde.load_physical_model(tmp_path)
    with pytest.raises(CalibrationError, match=r"simulation: 9: it has no calibrated parameters"):
        hybrid_pde.load_physical_model(tmp_path, simulation=9)
    with pytest.raises(CalibrationError, match=r"values: \['viscosity'\]: no parameters with"):
        hybrid_pde.load_physical_model(tmp_path, values={"viscosity": 1.0})
    held_out = hybrid_pde.load_physical_model(tmp_path, simulation=2)
    assert float(held_out.get_parameter("diffusivity")) == 0.4
    given = hybrid_pde.load_physical_model(tmp_path, values={"diffusivity": 0.7})
    assert float(given.get_parameter("diffusivity")) == 0.7


def test_simulations_without_a_value_are_left_out_with_a_warning(tmp_path: Path) -> None:
    experiment, store = load(tmp_path), stored(tmp_path)
    path = write_result(tmp_path, {0: 0.1, 1: None, 2: 0.4}, experiment)
    with pytest.warns(ResultWarning, match=r"1 simulations without calibrated parameters .*: 1;"):
        seen, view = with_values(experiment, store, path)
    assert seen.trainer_params.physical.train_sim == [0]
    assert float(view.load(0).known["diffusivity"]) == 0.1
    assert view.header(2).known_by_name["diffusivity"].values == 0.4
    # six frames, of which the first two are the context; rollouts start at the last of it
    assert view.load(2).fields["u"][:, 0, 0].tolist() == [21.0, 22.0, 23.0, 24.0, 25.0]
    path = write_result(tmp_path, {0: 0.1, 1: 0.3, 2: None}, experiment)
    with (
        pytest.warns(ResultWarning, match="left out: 2"),
        pytest.raises(CalibrationError, match=r"trainer_params\.test_sim: \[2\]: none of these"),
    ):
        with_values(experiment, store, path)


def sampler(folder: Path, asked: Any) -> ParameterSampler:
    experiment = load(folder)
    augmentation = experiment.augmentation.model_copy(update={"parameters": asked})
    experiment = experiment.model_copy(update={"augmentation": augmentation})
    path = write_result(folder, {0: 0.1, 1: 0.5, 2: 0.4}, experiment)
    calibrated = read_result(path)["parameters"]
    model = ModelRegistry(experiment).get_physical_model()
    return ParameterSampler(experiment, model, GRID, calibrated)


def test_values_are_drawn_from_those_found(tmp_path: Path) -> None:
    found = sampler(tmp_path, "distribution")
    drawn = torch.stack([found.draw((0, k))["diffusivity"] for k in range(60)])
    near = [bool(((drawn - mean).abs() < 0.05).sum() > 10) for mean in (0.1, 0.5)]
    assert near == [True, True], "both simulations are drawn"
    assert bool(((drawn - 0.1).abs().minimum((drawn - 0.5).abs()) < 0.05).all())
    assert float((drawn - drawn.round(decimals=1)).abs().max()) > 1e-4, "with their std"


def test_a_range_beyond_the_values_found_is_announced(tmp_path: Path) -> None:
    message = r"diffusivity: \[0\.05, 0\.3\]: reaches beyond the values found .*0\.1 to 0\.5"
    with pytest.warns(ResultWarning, match=message):
        sampler(tmp_path, {"diffusivity": (0.05, 0.3)})
    assert sampler(tmp_path, {"diffusivity": (0.2, 0.4)}).names == ["diffusivity"]


def test_shards_of_used_simulations_are_inputs_of_the_calibration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(6):
        write_simple(raw_path(tmp_path, f"{number}.nc"))
    text = EXPERIMENT.replace("train_sim: [0, 1]", "train_sim: [4, 1]")
    (tmp_path / "case.yaml").write_text(text, encoding="utf-8")
    plan = Plan(tmp_path / "case.yaml", claim=False)
    inputs = stage_inputs.train_physical(plan, Run.parse("case"))
    names = [Path(path).name for path in inputs["calibrated"]]
    assert names == [
        f"calibrated_{shard}.json" for shard in ("000000-000001", "000002-000003", "000004-000005")
    ]
    # of the shard itself, and of the simulations that select the scheme
    cached = [Path(path).name for path in stage_inputs.calibrate(plan, (2, 3))["cache"]]
    assert cached == [name.replace("calibrated", "cached") for name in names]
    sections = json.loads(stage_settings(plan.experiment, "calibrate"))["trainer_params"]
    settings = sections["physical"]
    assert settings["train_sim"] == [4, 1] and settings["test_sim"] == [2]


def test_the_report_sums_up_the_values(tmp_path: Path) -> None:
    experiment = load(tmp_path)
    path = write_result(tmp_path, {0: 0.1, 1: None, 2: 0.4}, experiment, s0=0.1, s2=0.5)
    result = read_result(path)
    (row,) = simulation_rows(result["table"])
    assert (row["count"], row["missing"], row["stated"]) == (3, 1, 2)
    assert (row["median_error"], row["largest_error"]) == ("10 %", "20 %")
    assert row["inside"] == "1 of 2", "0.4 ± 0.02 does not hold 0.5"
    (shown,) = parameter_rows(experiment, result)
    assert shown["estimate"] == "0.1 (median of 1 simulation: 0.1 … 0.1)"


def test_the_figure_shows_estimates_against_stated_values(tmp_path: Path) -> None:
    from hybrid_pde.evaluation.figures.simulation_values import plot_values

    table = rows_of({0: 0.1, 1: 0.2, 2: None}, s0=0.1, s1=0.25)
    (axes,) = plot_values(table, {"diffusivity": "m²/s"}).axes
    assert axes.get_xlabel() == "value stated in the file  [m²/s]"
    assert axes.lines[0].get_xdata().tolist() == [0.1, 0.25]
    assert axes.lines[0].get_ydata().tolist() == [0.1, 0.2]
    unstated = [replace_known(row) for row in table]
    (axes,) = plot_values(unstated, {}).axes
    assert axes.get_xlabel() == "simulation"


def replace_known(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "known": None}
