"""Last lines of a run: warnings of all stages and cycles, or what the failed stage said."""

import json
from pathlib import Path

import yaml

from hybrid_pde.evaluation.report.end_summary import summary_of_folder
from hybrid_pde.result_warnings import inherited, of_earlier_cycle, stage_of
from hybrid_pde.workflow.end_of_run import failures
from hybrid_pde.workflow.job_lock import job_lock
from tests.unit.evaluation_cases import errors_of_a_model

STILL_RUNS = "another process is still running this job; `make resume` ends it and continues"


def test_warnings_of_an_earlier_cycle_say_so_and_those_about_the_data_are_not_repeated() -> None:
    first = [*inherited("cache", ["few values"]), "its loss is near 1"]
    second = of_earlier_cycle("train_physical", first)
    assert second == [
        "cache: few values",
        "train_physical: in an earlier cycle: its loss is near 1",
    ]
    assert of_earlier_cycle("train_physical", second) == second
    assert stage_of(second[1], "evaluate")[0] == "train_physical"


def test_the_sentence_of_the_failed_stage_is_found_in_its_log(tmp_path: Path) -> None:
    job, own = tmp_path / "cache.log", tmp_path / "snakemake.log"
    job.write_text(
        "2026-01-01 00:00:00,000 ERROR data: simulation 0: bad\n"
        "2026-01-01 00:00:01,000 ERROR stage: raw/a.nc: no times;\nadd them\n"
        "2026-01-01 00:00:02,000 DEBUG stage: cause\nTraceback\n"
    )
    own.write_text(f"Error in rule cache:\n    log: {job} (check log file(s) for error details)\n")
    assert failures([own, tmp_path / "absent.log"]) == ["raw/a.nc: no times;\nadd them"]
    job.write_text("")  # ended before it could say anything
    assert failures([own])[0].startswith(f"{job}: the stage ended without a message")
    with job_lock(job):
        assert failures([own]) == [f"{job}: {STILL_RUNS}"]


def test_a_run_ends_with_estimates_errors_warnings_and_report(tmp_path: Path) -> None:
    for name in ("physical", "evaluation"):
        (tmp_path / name).mkdir()
    viscosity = {"value": 0.010012, "std": 1e-6, "uncertainty": 3.4e-5, "unit": "m²/s"}
    viscosity["in_units_of_files"] = {"unit": "m²/day", "factor": 86400.0, "value": 865.04}
    viscosity["true_value"] = 0.01
    velocity = {"value": [1.0, -0.5], "std": [0.1, 0.2], "unit": "1"}
    own = {"value": [0.1, None], "per_simulation": True}
    parameters = {"viscosity": viscosity, "velocity": velocity, "decay": own}
    content = {"parameters": parameters, "warnings": ["the loss is large"]}
    (tmp_path / "physical/parameters.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    errors = {"synthetic": 0.05, "persistence": 1.5}
    metrics = {"evaluated_on": {"simulations": [3], "split": "test", "num_steps": 9, "dt": 0.1}}
    metrics |= {name: errors_of_a_model(error) for name, error in errors.items()}
    (tmp_path / "evaluation/metrics.json").write_text(json.dumps(metrics))
    (tmp_path / "report.html").touch()
    assert summary_of_folder(tmp_path).splitlines() == [
        f"{tmp_path}:",
        "  viscosity = 0.010012 ± 0.000034 m²/s = 865.0 ± 2.9 m²/day; stated: 0.01 (0.12 % off)",
        "  velocity x = 1.00 ± 0.10",
        "  velocity y = −0.50 ± 0.20",
        "  decay: values for 1 of 2 simulations, per_simulation.csv",
        "  synthetic model: VRMSE 0.05, 30 × better than persistence (1.5)",
        "  one warning about the results:",
        "    train_physical: the loss is large",
        f"  report: {tmp_path / 'report.html'}",
    ]
