"""Experiment files are values: directives, objects, dates, huge numbers; overrides are, too."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from hybrid_pde.config import load_experiment
from hybrid_pde.config.yaml_file import MAX_DIGITS
from hybrid_pde.errors import ConfigError, UserError
from hybrid_pde.workflow.requested_experiments import RequestedExperiments
from tests.workflow.tiny import ROOT, tiny_experiment, write_experiment

CANARY = "executed"
CALL = {"_target_": "os.mkdir", "path": CANARY}
DIRECTIVES: dict[str, dict[str, Any]] = {
    "hydra": {"hydra": {"callbacks": {"x": CALL}}},
    "hydra/job_logging": {"hydra/job_logging": "mine"},
    "override hydra/launcher": {"override hydra/launcher": "mine"},
    "defaults": {"defaults": [{"hydra/callbacks": "mine"}]},
    "data.boundary._target_": {"data": {"boundary": CALL}},
    "model.synthetic.architecture.a[0]._target_": {
        "model": {"synthetic": {"architecture": {"a": [CALL]}}}
    },
    "data.dset_name": {"data": {"dset_name": "${oc.env:HOME}"}},
}


@pytest.mark.parametrize("key", DIRECTIVES)
def test_a_directive_in_an_experiment_file_is_rejected(tmp_path: Path, key: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(yaml.safe_dump(DIRECTIVES[key]))
    with pytest.raises(ConfigError) as error:
        load_experiment(path)
    assert str(error.value).startswith(f"{path}: {key}: ")


def test_run_py_calls_nothing_that_a_file_names(tmp_path: Path) -> None:
    """A file with directives, a header that moves it into Hydra's settings, a folder beside it."""
    folder = tmp_path / "experiments"
    content = {"callbacks": {"x": CALL}, **DIRECTIVES["hydra"]}
    path = folder / "mine.yaml"
    folder.mkdir()
    path.write_text("# @package hydra\n" + yaml.safe_dump(content))
    for group in ("callbacks", "job_logging", "launcher"):
        (folder / "hydra" / group).mkdir(parents=True)
        (folder / f"hydra/{group}/default.yaml").write_text(yaml.safe_dump({"x": CALL}))
    finished = subprocess.run(
        [sys.executable, ROOT / "run.py", "--config-dir", folder, "--config-name", "mine"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 1
    assert f"{path}: hydra: no section of an experiment; remove it" in finished.stdout
    assert "Traceback" not in finished.stdout + finished.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["experiments"]


DATE = "2020-01-01"


def test_a_date_is_a_name(tmp_path: Path) -> None:
    path = write_experiment(tmp_path / f"{DATE}.yaml", run_params={})
    path.write_text(path.read_text().replace("dset_name: burgers_2d", f"dset_name: {DATE}"))
    experiment = load_experiment(path, [f"data.cache_dir={DATE}"])
    assert experiment["data"]["dset_name"] == experiment["data"]["cache_dir"] == DATE
    assert experiment["run_params"]["experiment_name"] == DATE


@pytest.mark.parametrize("number", ["9" * 5000, "0x" + "f" * 5000, "-" + "9" * 30])
def test_a_huge_integer_is_rejected_with_its_line(tmp_path: Path, number: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"run_params:\n  seed: {number}\n")
    with pytest.raises(ConfigError, match=f"line 2: .* at most {MAX_DIGITS} digits") as error:
        load_experiment(path)
    assert len(str(error.value)) < 400
    write_experiment(path)
    with pytest.raises(ConfigError, match=f"at most {MAX_DIGITS} digits"):
        load_experiment(path, [f"run_params.seed={number}"])


@pytest.mark.parametrize(
    "tag", ["!!binary aGk=", "!!set {a, b}", "!!omap [a: 1]", "!!pairs [a: 1]"]
)
def test_only_plain_values_are_read(tmp_path: Path, tag: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"data: {tag}\n")
    with pytest.raises(ConfigError, match=r"a\.yaml: not a YAML file: could not determine"):
        load_experiment(path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"experiment": {"a": 1}}, "experiment: {'a': 1}: must be the name of an experiment"),
        ({"experiment": ["a"]}, "experiment: .'a'.: must be the name of an experiment"),
        ({"experiment": "n" * 300}, "experiment: 'n*…': File name too long"),
        ({"experiment": 5}, "experiment: '5': there is no file config/5.yaml"),
        ({"data": 3}, "data: 3: input should be"),
        ({"data": {1: 2}}, r"data\[1\]: the key 'data\[1\]' is unknown"),
        ({"run_params": {"seed": 10**30}}, "at most 25 digits"),
    ],
)
def test_a_mistake_in_config_options_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_experiment(Path("config/burgers_2d.yaml"), **tiny_experiment())
    with pytest.raises(UserError, match=message):
        RequestedExperiments(settings, claim=False)
