"""``hybrid-pde compare``: a page with the results of several experiments."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from hybrid_pde.command_line import app
from hybrid_pde.evaluation.report.comparison import write_comparison
from tests.unit.evaluation_cases import errors_of_a_model


@pytest.fixture
def results(tmp_path: Path) -> list[Path]:
    """Two experiments: one complete, one with a calibration only."""
    folders = [tmp_path / name for name in ("fine", "<coarse>")]
    for number, folder in enumerate(folders):
        (folder / "physical").mkdir(parents=True)
        parameter = {"value": 0.0123 + number, "std": 1e-5, "uncertainty": 4e-4}
        velocity = {"value": [1.0, 2.0], "std": [0.1, 0.2]}
        own = {"value": [[1.0], None, [2.0]], "per_simulation": True}
        parameters = {"viscosity": parameter, "velocity": velocity, "decay": own}
        content: dict[str, Any] = {"parameters": parameters}
        content |= {"status": "max_iterations", "warnings": ["the loss is large"]}
        (folder / "physical/parameters.yaml").write_text(yaml.safe_dump(content))
    errors = {"synthetic": 0.02, "persistence": 0.5}
    metrics = {kind: errors_of_a_model(value) for kind, value in errors.items()}
    where = {"simulations": [3, 4], "split": "test", "num_steps": 20, "dt": 0.1}
    metrics["evaluated_on"] = where
    for name in ("evaluation", "benchmarks"):
        (folders[0] / name).mkdir()
    (folders[0] / "evaluation/metrics.json").write_text(json.dumps(metrics))
    (folders[0] / "evaluation/timing.json").write_text(json.dumps({"synthetic": 0.004}))
    for shard in range(2):
        path = folders[0] / f"benchmarks/augment_{shard}.tsv"
        path.write_text("s\th:m:s\n30.5\t0:00:30\n")
    return folders


def test_page_has_parameters_errors_and_times(results, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert app.run(["compare", *map(str, results), "--output", str(page)]) == app.DONE
    assert "page.html: written, 2 experiments" in capsys.readouterr().out
    text = page.read_text()
    for part in (
        "0.01230 ± 0.00040",
        "(1.00 ± 0.10, 2.00 ± 0.20)",
        "values of 2 simulations",
        "max iterations",
        "<td>0.02</td><td>–</td><td>0.5</td><td>0.04</td><td>20</td>",
        "evaluated on test simulations [3, 4]",
        "<th>augment</th>",
        "61 s",
        "4 ms",
        "the loss is large",
        "&lt;coarse&gt;",
        "default-src 'none'",
    ):
        assert part in text, part
    assert "<script" not in text and "http" not in text.replace("http-equiv", "")


def test_folder_without_results_is_named(results, tmp_path, capsys):
    page = tmp_path / "page.html"
    code = app.run(["compare", str(results[0]), str(tmp_path / "none"), "--output", str(page)])
    assert code == app.MENDABLE
    assert f"{tmp_path / 'none'}: no results" in capsys.readouterr().err
    assert not page.exists()


@pytest.mark.parametrize(
    ("changed", "persistence", "said"),
    [
        ({}, 0.5, "evaluated on test simulations [3, 4]"),
        ({"simulations": [3]}, 0.5, "not all are evaluated on the same simulations"),
        ({"num_steps": 10}, 0.5, "not all are evaluated over the same number of steps"),
        ({}, 0.7, "not all are evaluated on the same data: the errors of persistence differ"),
    ],
)
def test_experiments_that_cannot_be_compared_are_announced(
    results: list[Path], tmp_path: Path, changed: dict[str, Any], persistence: float, said: str
) -> None:
    metrics = json.loads((results[0] / "evaluation/metrics.json").read_text())
    metrics["evaluated_on"] |= changed
    metrics["persistence"] = errors_of_a_model(persistence)
    (results[1] / "evaluation").mkdir()
    (results[1] / "evaluation/metrics.json").write_text(json.dumps(metrics))
    write_comparison(tmp_path / "page.html", results)
    assert f"2 experiments; {said}</p>" in (tmp_path / "page.html").read_text()
