"""Snakemake profiles: valid options, retries, defaults and readable scripts."""

import importlib.util
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from snakemake.cli import get_argument_parser

from tests.workflow.tiny import ROOT

PROFILES = sorted((ROOT / "profiles").glob("*/config.yaml"))
NAMES = [path.parent.name for path in PROFILES]
CLUSTERS = [path for path in PROFILES if path.parent.name != "default"]
SCRIPTS = sorted((ROOT / "profiles").glob("*/*.sh"))


def content(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def plugin(path: Path) -> str | None:
    """The module of the profile's executor plugin."""
    executor = content(path).get("executor")
    return executor and f"snakemake_executor_plugin_{executor.replace('-', '_')}"


def test_every_documented_scheduler_has_a_profile() -> None:
    page = (ROOT / "docs/cluster.md").read_text(encoding="utf-8")
    assert {"default", "slurm", "lsf", "sge", "htcondor", "kubernetes", "aws-batch"} == {*NAMES}
    for path in CLUSTERS:
        assert f"profiles/{path.parent.name}" in page


@pytest.mark.parametrize("path", PROFILES, ids=NAMES)
def test_every_option_of_the_profile_exists(path: Path) -> None:
    module = plugin(path)
    if module is not None and importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")
    options = {
        option.removeprefix("--")
        for action in get_argument_parser()._actions
        for option in action.option_strings
    }
    assert set(content(path)) <= options


@pytest.mark.parametrize("path", CLUSTERS, ids=lambda path: path.parent.name)
def test_cluster_profiles_retry_and_include_the_default_profile(path: Path) -> None:
    default = content(ROOT / "profiles/default/config.yaml")
    own = content(path)
    assert {key: own.get(key) for key in default} == default
    assert own["retries"] >= 1
    # rules differ in memory and time; a grouped job would request the sum of all cores
    assert not {"groups", "group-components"} & set(own)


def test_slurm_signals_a_stage_to_save_before_the_time_limit() -> None:
    extra = content(ROOT / "profiles/slurm/config.yaml")["default-resources"]["slurm_extra"]
    # sent to the job steps, which run the stages; with "B:" only the batch shell would get it
    assert "--signal=TERM@" in extra


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_script_of_a_profile_is_executable_and_valid_shell(script: Path) -> None:
    assert script.stat().st_mode & 0o111
    assert subprocess.run(["sh", "-n", script], check=False).returncode == 0
