"""``python run.py``, called from a user's folder."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import yaml

from hybrid_pde.config.names_of_values import name_of_values
from hybrid_pde.workflow.pin import EXPERIMENT_NAME
from tests.workflow.tiny import ROOT, tiny_experiment

SMALL = (  # flat keys for a file with one section per stage, and keys missing from the file
    "trainer_params.max_iterations=20",
    "generation_params.steps=6",
    "evaluation_params.num_steps=3",
    "augmentation.steps=6",
    "model.physical.numerics.order=4",
    "run_params.seed=7",
)


def run(folder: Path, *arguments: str, script: Path = ROOT / "run.py") -> tuple[int, str]:
    """Exit code and output."""
    finished = subprocess.run(
        [sys.executable, str(script), *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return finished.returncode, finished.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the experiment ``mine`` in ``experiments/``."""
    write_mine(tmp_path)
    return tmp_path


def write_mine(folder: Path) -> None:
    experiment = tiny_experiment()
    del experiment["run_params"]["experiment_name"]
    path = folder / "experiments" / "mine.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(experiment), encoding="utf-8")


def mine(folder: Path, *overrides: str) -> tuple[int, str]:
    options = ("--config-dir", str(folder / "experiments"), "--config-name", "mine")
    return run(folder, *options, *overrides)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("trainer_params.epoch=5", ["trainer_params.epoch", "epochs"]),
        ("trainer_params.test_sim=[1]", ["trainer_params.test_sim", "[1]", "also in"]),
        ("reuse=burgers_2d", ["reuse: burgers_2d: only Snakemake", "or repeat its stages"]),
    ],
)
def test_a_mistake_is_reported_in_one_sentence(
    folder: Path, override: str, expected: list[str]
) -> None:
    code, output = mine(folder, override)
    assert code == 1
    assert "Traceback" not in output
    assert "mine.yaml" in output
    for part in expected:
        assert part in output
    assert not (folder / "data").exists(), "nothing is computed"


def test_without_arguments_the_default_experiment_runs(tmp_path: Path) -> None:
    """Run a copy of the project with a faulty default experiment."""
    shutil.copy2(ROOT / "run.py", tmp_path)
    for part in ("src", "workflow"):
        (tmp_path / part).symlink_to(ROOT / part)
    (tmp_path / "config").mkdir()
    shutil.copy2(ROOT / "config/config.yaml", tmp_path / "config")
    settings = yaml.safe_load((tmp_path / "config/config.yaml").read_text())
    assert settings == {"experiment": "burgers_2d"}
    experiment = tiny_experiment(augmentation={"alpha": 7})
    (tmp_path / "config/burgers_2d.yaml").write_text(yaml.safe_dump(experiment))
    code, output = run(tmp_path, script=tmp_path / "run.py")
    assert code == 1
    assert "config/burgers_2d.yaml: augmentation.alpha: 7" in output
    settings["experiment"] = "another"
    (tmp_path / "config/config.yaml").write_text(yaml.safe_dump(settings))
    code, output = run(tmp_path, script=tmp_path / "run.py")
    assert code == 1
    assert "another" in output and "burgers_2d" in output, "the missing and the existing experiment"
    assert "Traceback" not in output


@dataclass(frozen=True)
class Resumed:
    """A run of two cycles that was ended in the second one, and run again to its end.

    Attributes:
        folder: The working directory.
        log: What the first call printed.
        output: What the second call printed.
        written: Content of the files that were finished between the two, by name.
    """

    folder: Path
    log: str
    output: str
    written: dict[str, bytes]


@pytest.fixture(scope="module")
def resumed(tmp_path_factory: pytest.TempPathFactory) -> Resumed:
    folder = tmp_path_factory.mktemp("resumed")
    write_mine(folder)
    options = ("--config-dir", str(folder / "experiments"), "--config-name", "mine")
    overrides = (
        *SMALL,
        "hybrid.cycles=2",
        "trainer_params.epochs=6",
        "trainer_params.synthetic.batch_size=1",
    )
    log, results = tmp_path_factory.mktemp("log") / "log", folder / "results/mine"
    with log.open("w") as output:
        started = subprocess.Popen(
            [sys.executable, str(ROOT / "run.py"), *options, *overrides],
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + 120
        while "epoch 7 of 12" not in log.read_text():
            assert started.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        started.send_signal(signal.SIGTERM)
        assert started.wait(60) == 75, log.read_text()
    assert not (results / "synthetic_model.pt").exists()
    names = ("cycle_01/physical/parameters.yaml", "cycle_01/synthetic_model.pt")
    written = {
        name: (results / name).read_bytes()
        for name in (*names, "cycle_02/physical/parameters.yaml")
    }
    code, second = mine(folder, *overrides)
    assert code == 0, second
    return Resumed(folder, log.read_text(), second, written)


def test_a_run_interrupted_in_its_second_cycle_resumes_there(resumed: Resumed) -> None:
    assert "run the same command again to continue" in resumed.log
    assert len(re.findall(r"resuming after \d+ evaluations", resumed.output)) == 2
    assert len(re.findall(r"going on after epoch \d+ of (6|12)", resumed.output)) == 2
    results = resumed.folder / "results/mine"
    assert {name: (results / name).read_bytes() for name in resumed.written} == resumed.written
    assert not list(results.glob("**/checkpoints/*/*")), "the next call starts from the beginning"


def test_both_models_are_trained_and_evaluated(resumed: Resumed) -> None:
    results = resumed.folder / "results/mine"
    written = yaml.safe_load((results / "physical/parameters.yaml").read_text())
    assert written["numerics"]["order"] == 4, "a key missing from the file"
    assert written["parameters"]["viscosity"]["value"] == pytest.approx(0.01, rel=0.05)
    history = (results / "synthetic/history.csv").read_text().splitlines()
    assert len(history) == 1 + 2 * 6, "six epochs a cycle, not the file's three"
    content = torch.load(results / "synthetic_model.pt", weights_only=True)
    assert content["config"]["run_params"]["seed"] == 7
    metrics = json.loads((results / "evaluation/metrics.json").read_text())
    assert {"synthetic", "physical", "persistence"} <= set(metrics)
    assert len(metrics["synthetic"]["by_lead_time"]["vrmse"]) == 3
    assert "physical model: VRMSE" in resumed.output
    names = sorted(path.name for path in resumed.folder.iterdir())
    assert names == ["data", "experiments", "results"]


def test_every_job_of_a_multirun_has_its_own_folder(folder: Path) -> None:
    """Each job is named by its values before anything runs; that of a pinned one is rejected."""
    pinned = folder / "results/mine-seed-7-learning_rate-0.001/pinned.json"
    pinned.parent.mkdir(parents=True)
    pinned.touch()
    code, output = mine(
        folder, "trainer_params.learning_rate=0.001", "run_params.seed=7", "--multirun"
    )
    assert code == 1 and f"results/{pinned.parent.name}: pinned" in output, output


def test_names_of_multirun_jobs_differ_where_their_values_do() -> None:
    assert name_of_values(["++trainer_params.epochs=5", "++run_params.seed=2"]) == "seed-2-epochs-5"
    pairs = [
        ["trainer_params.physical.epochs=1", "trainer_params.synthetic.epochs=2"],
        ["trainer_params.physical.epochs=2", "trainer_params.synthetic.epochs=1"],
    ]
    lists = [["trainer_params.train_sim=[0,1]"], ["trainer_params.train_sim=[0.1]"]]
    for one, other in (pairs, lists):
        assert name_of_values(one) != name_of_values(other)
        for name in (name_of_values(one), name_of_values(other)):
            assert re.fullmatch(EXPERIMENT_NAME, f"mine-{name}")


def test_a_pinned_experiment_is_not_overwritten(folder: Path) -> None:
    pinned = folder / "results/mine/pinned.json"
    pinned.parent.mkdir(parents=True)
    pinned.touch()
    code, output = mine(folder)
    assert code == 1
    assert "results/mine: pinned; `make unpin EXPERIMENT=mine` frees it" in output
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["mine.yaml", pinned.name]


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="there is no /proc here")
def test_ctrl_c_during_imports_is_one_sentence(folder: Path) -> None:
    command = [sys.executable, str(ROOT / "run.py")]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as started:
        deadline = time.monotonic() + 60
        while "pydantic_core" not in Path(f"/proc/{started.pid}/maps").read_text():
            assert started.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        started.send_signal(signal.SIGINT)
        shown = started.communicate(timeout=60)[1]
    assert (started.returncode, shown) == (75, "ended by SIGINT\n")
