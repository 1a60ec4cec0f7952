"""Damaged result files: each is named, with what is wrong and the way out."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from hybrid_pde.config.result_file import REMEDY, read_result_file
from hybrid_pde.data.simulation_table import COLUMNS, read_table
from hybrid_pde.errors import CalibrationError, DamagedResultError, UserError
from hybrid_pde.evaluation.history import read_columns, read_rows
from hybrid_pde.evaluation.report.html_report import report_of_folder
from hybrid_pde.evaluation.report.stage_times import stage_seconds
from hybrid_pde.models.physical.parameters_file import read_result
from hybrid_pde.stages.calibrate import read_estimates
from tests.unit.test_small_files import CONFIG

ERRORS = {
    "vrmse": 0.1,
    "relative_l2": 0.1,
    "diverged": 0,
    "by_lead_time": {"vrmse": [0.1, None]},
    "by_field": {"u": {"vrmse": None}},
}
ROLLOUT = {
    "title": "median",
    "simulation": 3,
    "time_unit": "s",
    "frames": [0, 1],
    "times": ["0", "1"],
    "fields": [],
}
WHOLE: dict[str, dict[str, Any]] = {
    "parameters.yaml": {
        "parameters": {"viscosity": {"value": 0.1, "bounds": [0.0, None]}},
        "numerics": {"scheme": "spectral", "order": None, "refine": 1},
    },
    "metrics.json": {
        "evaluated_on": {
            "simulations": [3],
            "split": "test",
            "num_steps": 2,
            "dt": 0.1,
            "conserved": {"u": {"integral": 1e-9}},
        },
        "persistence": ERRORS,
    },
    "timing.json": {"synthetic": None, "batch": {"simulations": 8, "synthetic": 1e-4}},
    "frames.json": {"simulations": [ROLLOUT]},
    "residuals.json": {"correlation": {"x": {"step": 0.1, "values": [1.0]}}},
}


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text((json.dumps if path.suffix == ".json" else yaml.safe_dump)(content))
    return path


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_file_is_read(tmp_path: Path, name: str) -> None:
    assert read_result_file(write(tmp_path / name, WHOLE[name])) == WHOLE[name]


WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "number for a list": ("frames.json", {"simulations": 3}, "simulations: "),
    "empty": ("frames.json", {}, "simulations: Field required"),
    "a time is missing": (
        "frames.json",
        {"simulations": [{**ROLLOUT, "times": ["0"]}]},
        "simulations.0: 1 times for 2 frames",
    ),
    "unknown kind of picture": (
        "frames.json",
        {"simulations": [{**ROLLOUT, "fields": [{"kind": "film"}]}]},
        "simulations.0.fields.0: ",
    ),
    "error without fields": (
        "metrics.json",
        WHOLE["metrics.json"] | {"physical": {"vrmse": 0.1}},
        "physical.relative_l2: Field required",
    ),
    "text for a number": (
        "metrics.json",
        WHOLE["metrics.json"] | {"persistence": ERRORS | {"vrmse": "0.1"}},
        "persistence.vrmse: Input should be a valid number, not '0.1'",
    ),
    "no persistence": (
        "metrics.json",
        {"evaluated_on": WHOLE["metrics.json"]["evaluated_on"]},
        "persistence: Field required",
    ),
    "batch of unknown size": ("timing.json", {"batch": {}}, "batch.simulations: "),
    "map without axes": ("residuals.json", {"map": [0.1]}, "content: a map without"),
    "ragged map": (
        "residuals.json",
        dict.fromkeys(("mean_map", "by_time", "lower", "upper"), [0.1])
        | {"map": [[0.1], [0.1, 0.2]], "dt": 0.1, "axes": ["x", "y"]},
        "content: a map with rows of different lengths",
    ),
    "parameter without a value": (
        "parameters.yaml",
        {"parameters": {"viscosity": {}}},
        "parameters.viscosity.value: Field required",
    ),
    "one bound": (
        "parameters.yaml",
        {"parameters": {"viscosity": {"value": 0.1, "bounds": [0.0]}}},
        "parameters.viscosity.bounds: ",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_file_of_another_shape_is_named_with_the_key_and_the_way_out(
    tmp_path: Path, case: str
) -> None:
    name, content, said = WRONG[case]
    path = write(tmp_path / name, content)
    with pytest.raises(DamagedResultError) as error:
        read_result_file(path)
    text = str(error.value)
    assert text.startswith(f"{path}: damaged: {said}"), text
    assert text.endswith(REMEDY)


def test_the_report_names_a_damaged_frames_file(tmp_path: Path) -> None:
    path = write(tmp_path / "evaluation/frames.json", {"simulations": [{"title": "median"}]})
    with pytest.raises(UserError) as error:
        report_of_folder(tmp_path / "report.html", tmp_path, CONFIG)
    assert str(error.value).startswith(f"{path}: damaged: simulations.0.simulation: ")
    assert not (tmp_path / "report.html").exists()


def test_a_calibration_of_another_shape_is_refused_where_it_is_used(tmp_path: Path) -> None:
    path = write(tmp_path / "parameters.yaml", {"parameters": {"viscosity": {"value": {}}}})
    with pytest.raises(DamagedResultError, match=r"parameters\.yaml: damaged: KeyError\('file'\)"):
        read_result(path)
    with pytest.raises(CalibrationError, match="no calibrated parameters"):
        read_result(tmp_path / "elsewhere.yaml")


TABLES = {
    "a cell too many": "epoch,train_loss\n0,1,2\n",
    "a cell too few": "epoch,train_loss\n0\n",
    "text": "epoch,train_loss\n0,x\n",
    "another table": "a,b\n0,1\n",
    "a huge cell": f"epoch,train_loss\n0,{'1' * 200_000}\n",
}


@pytest.mark.parametrize("case", TABLES)
def test_a_damaged_history_is_named(tmp_path: Path, case: str) -> None:
    path = tmp_path / "history.csv"
    path.write_text(TABLES[case])
    with pytest.raises(DamagedResultError, match=r"history\.csv: damaged: .*; delete it"):
        read_columns(path, ("epoch", "train_loss"))
    if case == "text":
        with pytest.raises(DamagedResultError, match=r"history\.csv: damaged"):
            read_rows(path)


def test_other_damaged_tables_and_records_are_named(tmp_path: Path) -> None:
    table = tmp_path / "per_simulation.csv"
    table.write_text(f"{','.join(COLUMNS)}\n3,a.nc\n")
    with pytest.raises(CalibrationError, match=r"per_simulation\.csv: no table of estimates"):
        read_table(table)
    manifest = write(tmp_path / "calibrated_000000-000001.json", {"simulations": [0]})
    with pytest.raises(DamagedResultError, match="damaged: files: Field required"):
        read_estimates([manifest])
    record = tmp_path / "benchmarks" / "evaluate.tsv"
    record.parent.mkdir()
    record.write_text("s\th:m:s\nfast\t0:00:01\n")
    with pytest.raises(UserError, match=r"evaluate\.tsv: damaged: .*; delete it"):
        stage_seconds([tmp_path])
