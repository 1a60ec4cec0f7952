"""Hybrid cycles and replicates as separate jobs: folders, job graph, interrupted run."""

import csv
import json
import shutil
from pathlib import Path

import pytest
import yaml

from tests.built_once import built_once
from tests.workflow.conftest import EXPERIMENT
from tests.workflow.snakemake_run import TARGET, planned_jobs, run
from tests.workflow.test_rerun import LAST, merged
from tests.workflow.tiny import tiny_experiment, write_experiment

RESULTS = Path("results/burgers_2d")
TWO = {"hybrid": {"cycles": 2}}
CYCLE = {"train_physical", "augment", "train_synthetic"}


@pytest.fixture(scope="module")
def two_cycles(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of two cycles, stopped in between; tests must not change it."""

    def build(folder: Path) -> None:
        write_experiment(folder / EXPERIMENT, **TWO)
        shutil.copytree(finished / "data", folder / "data", copy_function=shutil.copy2)
        shutil.copytree(finished / ".snakemake", folder / ".snakemake", symlinks=True)
        first = run(folder, str(RESULTS / "cycle_01/synthetic_model.pt"))
        assert first.returncode == 0, first.stdout
        assert not (folder / RESULTS / "cycle_02").exists()
        rest = run(folder, TARGET)
        assert rest.returncode == 0, rest.stdout
        assert "rule train_physical" not in rest.stdout.partition("cycle_02")[0], rest.stdout

    return built_once(tmp_path_factory, "two_cycles", build)


def test_stages_of_every_cycle_are_separate_jobs(tmp_path: Path) -> None:
    write_experiment(tmp_path / EXPERIMENT, hybrid={"cycles": 3})
    jobs = planned_jobs(tmp_path)
    assert {stage: jobs[stage] for stage in CYCLE} == dict.fromkeys(CYCLE, 3)
    assert (jobs["guide"], jobs["hybrid"], jobs["evaluate"]) == (2, 1, 1)


def test_every_cycle_leaves_its_results(two_cycles: Path) -> None:
    for number in (1, 2):
        folder = two_cycles / RESULTS / f"cycle_{number:02d}"
        for name in ("physical/parameters.yaml", "synthetic_model.pt", "synthetic/history.csv"):
            assert (folder / name).stat().st_size > 50
        assert list((folder / "augmented").glob("sim_*.safetensors"))


def test_results_at_the_top_are_those_of_the_last_cycle(two_cycles: Path) -> None:
    top = two_cycles / RESULTS
    for name in ("physical/parameters.yaml", "synthetic_model.pt"):
        assert (top / name).read_bytes() == (top / "cycle_02" / name).read_bytes()
    assert (two_cycles / TARGET).read_bytes() == (top / "synthetic_model.pt").read_bytes()


def test_histories_contain_all_cycles(two_cycles: Path) -> None:
    with (two_cycles / RESULTS / "synthetic/history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    epochs = tiny_experiment()["trainer_params"]["synthetic"]["epochs"]
    assert [int(row["cycle"]) for row in rows] == [1] * epochs + [2] * epochs
    assert [int(row["epoch"]) for row in rows] == list(range(1, 2 * epochs + 1))
    rates = [float(row["learning_rate"]) for row in rows]
    assert rates == sorted(rates, reverse=True), "one learning rate schedule over both cycles"
    assert rates[-1] < 0.1 * rates[0]


def test_synthetic_model_guides_the_second_calibration(two_cycles: Path) -> None:
    folder = two_cycles / RESULTS / "cycle_02"
    manifest = json.loads((folder / "guidance/guidance.json").read_text())
    assert manifest["simulations"], "an exchange without any information is an error"
    first, second = (
        yaml.safe_load((two_cycles / RESULTS / f"cycle_0{k}/physical/parameters.yaml").read_text())
        for k in (1, 2)
    )
    values = [each["parameters"]["viscosity"]["value"] for each in (first, second)]
    assert second.get("reverted") or values[0] != values[1]


def test_a_second_call_after_all_cycles_does_nothing(two_cycles: Path) -> None:
    assert planned_jobs(two_cycles) == {}


def test_a_further_cycle_keeps_the_calibration_of_the_first(
    two_cycles: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(two_cycles, folder, copy_function=shutil.copy2)
    path = folder / EXPERIMENT
    experiment = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(merged(experiment, {"hybrid": {"cycles": 3}})))
    jobs = planned_jobs(folder)
    # schedules span all cycles, so surrogates are retrained, and so are calibrations that use them
    assert jobs["train_synthetic"] == 3
    assert jobs["train_physical"] == 2
    assert set(jobs) <= {*CYCLE, "guide", "hybrid", *LAST}


def test_replicates_are_surrogates_on_the_same_data(copy_of_finished: Path) -> None:
    path = copy_of_finished / EXPERIMENT
    experiment = yaml.safe_load(path.read_text())
    changes = {"trainer_params": {"synthetic": {"replicates": 2}}}
    path.write_text(yaml.safe_dump(merged(experiment, changes)))
    assert planned_jobs(copy_of_finished)["train_synthetic"] == 1, "the first replicate exists"
    done = run(copy_of_finished, str(RESULTS / "evaluation/metrics.json"))
    assert done.returncode == 0, done.stdout
    results = copy_of_finished / RESULTS
    models = [results / "synthetic_model.pt"]
    models += [results / "replicate_01/synthetic_model.pt"]
    assert len({path.read_bytes() for path in models}) == 2
    metrics = json.loads((results / "evaluation/metrics.json").read_text())["synthetic"]
    spread = metrics["replicates"]["vrmse"]
    assert len(spread["values"]) == 2
    assert spread["std"] > 0
    assert metrics["vrmse"] == pytest.approx(spread["mean"])
