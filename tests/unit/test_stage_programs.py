"""Scripts of the workflow's rules, called with explicit paths as in the rules."""

import argparse
import errno
import importlib
import importlib.util
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
import yaml

from hybrid_pde.config import Experiment, load_experiment, parse_experiment
from hybrid_pde.data.atomic import refuse_unwritable
from hybrid_pde.errors import USER_MODULE, ConfigError, StorageError
from hybrid_pde.models import load_synthetic_model
from hybrid_pde.models.surrogate_file import read_training_warnings
from hybrid_pde.stages.threads import limit_threads
from hybrid_pde.training.checkpoint_folder import CheckpointFolder
from hybrid_pde.workflow.job_lock import job_lock
from hybrid_pde.workflow.stage_program import run_stage, stage_parser
from hybrid_pde.workflow.stage_settings import stage_settings
from tests.workflow.snakemake_run import PYTHONPATH
from tests.workflow.tiny import ROOT, settings_path, write_experiment

# a few epochs of training give a poor model
pytestmark = pytest.mark.filterwarnings("ignore::hybrid_pde.result_warnings.ResultWarning")


STAGES = ("simulate", "cache", "train_physical", "augment", "train_synthetic", "evaluate", "report")
RAW, CACHE, RESULTS = Path("raw/burgers"), Path("cache/burgers"), Path("out")


def arguments(stage: str) -> list[str]:
    """Options of a stage besides its settings, with paths different from the workflow's."""
    cached = str(CACHE / "cached_000000-000003.json")
    generated = str(RESULTS / "augmented/generated_000000-000001.json")
    model, parameters = str(RESULTS / "synthetic_model.pt"), str(RESULTS / "physical/found.yaml")
    options: dict[str, list[str]] = {
        "simulate": ["--shard", "000000-000003", "--output", str(RAW / "simulated.json")],
        "cache": [
            *("--shard", "000000-000003", "--raw", str(RAW / "simulated.json")),
            *("--output", cached),
        ],
        "train_physical": [
            *("--code", "0", "--cache", cached, "--parameters", parameters),
            *("--history", str(RESULTS / "physical/history.csv")),
            *("--checkpoints", str(RESULTS / "checkpoints")),
        ],
        "augment": [
            *("--shard", "000000-000001", "--cache", cached, "--parameters", parameters),
            *("--output", generated),
        ],
        "train_synthetic": [
            *("--code", "0", "--cache", cached, "--augmented", generated, "--model", model),
            *("--history", str(RESULTS / "synthetic/history.csv")),
            *("--checkpoints", str(RESULTS / "checkpoints")),
        ],
        "evaluate": [
            *("--cache", cached, "--model", model, "--parameters", parameters),
            *("--output", str(RESULTS / "evaluation")),
        ],
        "report": [
            *("--results", str(RESULTS), "--output", str(RESULTS / "report.html")),
            *("--experiment", str(RESULTS / "experiment.yaml")),
        ],
    }
    return options[stage]


def parsed(stage: str, settings: str) -> tuple[Any, argparse.Namespace]:
    program = importlib.import_module(f"workflow.scripts.{stage}")
    with TemporaryDirectory() as folder:
        path = settings_path(Path(folder), settings)
        return program, program.parser().parse_args(["--settings", path, *arguments(stage)])


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Experiment]:
    """The tiny experiment in a new working directory."""
    folder = tmp_path_factory.mktemp("programs")
    numerics = {"scheme": "finite_difference", "order": 4}
    path = write_experiment(folder / "tiny.yaml")
    content = yaml.safe_load(path.read_text())
    content["model"]["physical"]["numerics"] = numerics
    content["augmentation"]["num_simulations"] = 2
    path.write_text(yaml.safe_dump(content))
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        yield parse_experiment(load_experiment(path))
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def done(experiment: Experiment) -> Path:
    """A folder in which all programs have run in order."""
    for stage in STAGES:
        program, given = parsed(stage, stage_settings(experiment, stage))
        program.main(given)
        if stage == "cache":
            manifest = CACHE / "cached_000000-000003.json"
            content = json.loads(manifest.read_text())
            assert content["warnings"] == []
            manifest.write_text(json.dumps({**content, "warnings": ["made for this test"]}))
    return Path.cwd()


def test_every_program_writes_its_results_to_the_given_paths(done: Path) -> None:
    for manifest, count in (
        (RAW / "simulated.json", 4),
        (CACHE / "cached_000000-000003.json", 4),
        (RESULTS / "augmented/generated_000000-000001.json", 2),
    ):
        listed = json.loads((done / manifest).read_text())
        assert listed["simulations"] == list(range(count))
        for name in listed["files"]:
            assert (done / manifest).with_name(name).is_file()
    found = yaml.safe_load((done / RESULTS / "physical/found.yaml").read_text())
    assert found["parameters"]["viscosity"]["value"] == pytest.approx(0.01, rel=0.02)
    model = load_synthetic_model(done / RESULTS / "synthetic_model.pt")
    assert model.rollout(torch.zeros(1, 2, 16, 12), 2).shape == (1, 2, 2, 16, 12)
    metrics = json.loads((done / RESULTS / "evaluation/metrics.json").read_text())
    assert metrics["physical"]["vrmse"] < metrics["persistence"]["vrmse"]
    assert sorted(path.name for path in done.iterdir()) == ["cache", "out", "raw", "tiny.yaml"]


def test_report_shows_what_is_in_the_folder(done: Path) -> None:
    page = (done / RESULTS / "report.html").read_text(encoding="utf-8")
    assert "viscosity" in page
    assert "data:image/png;base64" in page


def test_the_experiment_is_beside_the_report(done: Path, experiment: Experiment) -> None:
    assert parse_experiment(load_experiment(done / RESULTS / "experiment.yaml")) == experiment


def test_warnings_of_every_stage_reach_parameters_metrics_and_the_report(done: Path) -> None:
    (written,) = [json.loads(path.read_text()) for path in (done / CACHE).glob("cached_*.json")]
    assert written["warnings"] == ["made for this test"]
    kept = "cache: made for this test"
    parameters = yaml.safe_load((done / RESULTS / "physical/found.yaml").read_text())
    model = read_training_warnings(done / RESULTS / "synthetic_model.pt")
    metrics = json.loads((done / RESULTS / "evaluation/metrics.json").read_text())
    assert parameters["warnings"][0] == model[0] == metrics["warnings"][0] == kept
    page = (done / RESULTS / "report.html").read_text(encoding="utf-8")
    assert '<span class="stage">cache</span> made for this test' in page


def test_programs_leave_no_temporary_files(done: Path) -> None:
    assert [path for path in done.rglob("*") if path.suffix in {".tmp", ".partial"}] == []


@pytest.mark.parametrize("stage", STAGES)
def test_help_of_a_program_is_its_docstring(stage: str) -> None:
    program = importlib.import_module(f"workflow.scripts.{stage}")
    assert program.parser().description == program.__doc__
    text = program.parser().format_help()
    for option in ("--settings", "--threads", "--log"):
        assert option in text


def started(stage: str, settings: str, log: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, str(ROOT / f"workflow/scripts/{stage}.py"), "--settings"),
            settings_path(log.parent.parent, settings),
            *(*arguments(stage), "--log", str(log)),
        ],
        env={"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def test_a_users_mistake_is_reported_once_and_without_a_traceback(
    done: Path, tmp_path: Path
) -> None:
    log = tmp_path / "logs/cache.log"
    settings = json.dumps({"data": {"fields": ["salinity"]}})
    finished = started("cache", settings, log)
    assert finished.returncode == 1
    assert "Traceback" not in finished.stdout
    assert finished.stdout.count("sim_000000.nc: data.fields: no variable 'salinity'") == 1
    assert log.read_text().count("sim_000000.nc: data.fields: no variable 'salinity'") == 1


@pytest.fixture
def failing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[[Callable[[], None]], tuple[int, str, str]]]:
    """Run a failing program; return its exit code, terminal output and log."""
    log = tmp_path / "logs/stage.log"
    handlers, level = logging.root.handlers[:], logging.root.level

    def fail(cause: Callable[[], None]) -> tuple[int, str, str]:
        monkeypatch.setattr(
            sys, "argv", ["stage", "--settings", settings_path(tmp_path, "{}"), "--log", str(log)]
        )
        with pytest.raises(SystemExit) as stopped:
            run_stage(lambda _: cause(), stage_parser("A stage."))
        assert isinstance(stopped.value.code, int)
        return stopped.value.code, capsys.readouterr().err, log.read_text()

    yield fail
    for handler in set(logging.root.handlers) - set(handlers):
        handler.close()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    logging.captureWarnings(False)


def test_error_in_a_model_of_the_user_names_its_line(failing: Any, tmp_path: Path) -> None:
    source = "def rate(state):\n    return [state['u'].no_such_thing]\n"
    (tmp_path / "own.py").write_text(source)
    spec = importlib.util.spec_from_file_location(f"{USER_MODULE}own", tmp_path / "own.py")
    assert spec is not None and spec.loader is not None
    own = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(own)
    code, terminal, log = failing(lambda: own.rate({"u": 1.0}))
    assert code == 1
    assert f"{tmp_path}/own.py:2: rate fails: AttributeError: 'float' object" in terminal
    assert "Traceback" not in terminal
    assert "Traceback (most recent call last)" in log


def test_unforeseen_error_is_short_and_its_traceback_is_in_the_log(failing: Any) -> None:
    def cause() -> None:
        raise KeyError("unforeseen")

    code, terminal, log = failing(cause)
    assert code == 2
    assert "KeyError: 'unforeseen': this is a bug of hybrid_pde" in terminal
    assert "Traceback" not in terminal
    assert "Traceback (most recent call last)" in log


def test_cause_of_a_users_error_is_in_the_log(failing: Any) -> None:
    def cause() -> None:
        try:
            raise ZeroDivisionError("in a user's module")
        except ZeroDivisionError as error:
            raise ConfigError("model.physical.module: fails") from error

    code, terminal, log = failing(cause)
    assert code == 1
    assert terminal == "ERROR: model.physical.module: fails\n"
    assert "ZeroDivisionError: in a user's module" in log


@pytest.mark.parametrize(
    ("content", "expected"),
    [("{not json", "not a JSON file"), ("[1]", "must contain a JSON object, not [1]")],
)
def test_settings_are_a_json_object_in_a_file(
    content: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_code:
        parsed("report", content)
    assert exit_code.value.code == 2
    assert f"settings_0.json: {expected}" in capsys.readouterr().err


def test_more_threads_than_cores_are_not_used() -> None:
    before = torch.get_num_threads()
    cores = len(os.sched_getaffinity(0))
    try:
        assert limit_threads(cores + 6) == cores == torch.get_num_threads()
        assert limit_threads(1) == 1 == torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOLCK, "cannot be locked: the file system has no locks"),
        (errno.EIO, "cannot be locked: the disk or the network file system reports an error"),
    ],
)
def test_a_file_system_without_locks_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int, expected: str
) -> None:
    def flock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(StorageError, match=rf"checkpoints/\w+: {expected}"):
        CheckpointFolder(tmp_path / "checkpoints", {}, 1.0).__enter__()
    log = tmp_path / "logs/stage.log"
    with pytest.raises(StorageError, match=rf"logs/stage\.log: {expected}"), job_lock(log):
        pass


@pytest.mark.parametrize("name", ["logs", "checkpoints"])
def test_a_file_in_place_of_a_folder_is_reported(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    needed = "a file or a broken link has the name of a folder"
    with pytest.raises(StorageError, match=f"{name}.*: {needed}"):
        refuse_unwritable(tmp_path / name / "x")
    with pytest.raises(StorageError, match=f"{name}.*: {needed}"):
        if name == "logs":
            with job_lock(tmp_path / "logs/stage.log"):
                pass
        else:
            CheckpointFolder(tmp_path / name, {}, 1.0).__enter__()


def test_with_closed_streams_no_file_becomes_the_error_stream(tmp_path: Path) -> None:
    program = (
        "from hybrid_pde.workflow.stage_program import open_standard_streams\n"
        "import sys\n"
        "open_standard_streams()\n"
        "with open('data', 'w') as file:\n"
        "    assert file.fileno() > 2\n"
        "    print('a warning', file=sys.stderr)\n"
    )
    words = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", program]
    environment = {**os.environ, "PYTHONPATH": PYTHONPATH}
    assert subprocess.run(words, cwd=tmp_path, env=environment, check=False).returncode == 0
    assert (tmp_path / "data").read_text() == ""
