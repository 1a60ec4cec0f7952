"""Rules: resources, params that trigger re-runs, messages and shell, and Snakemake's linter."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hybrid_pde.workflow.live_processes import SHELL_PREFIX
from hybrid_pde.workflow.settings_file import DIRECTORY
from tests.workflow.snakemake_run import TARGET, command, run, run_cold
from tests.workflow.tiny import ROOT, write_experiment

RULE = re.compile(r"^rule (\w+):\n((?:(?: {4}.*)?\n)+)", re.MULTILINE)
SECTION = re.compile(r"^ {4}(\w+):(.*)\n((?: {8}.*\n)*)", re.MULTILINE)
NAMED = re.compile(r"^ {8}(\w+)=", re.MULTILINE)
STAGES = {
    "simulate",
    "cache",
    "calibrate",
    "train_physical",
    "augment",
    "train_synthetic",
    "guide",
    "hybrid",
    "reuse",
    "evaluate",
    "report",
}


def rules() -> dict[str, dict[str, str]]:
    """Text of every section of every rule."""
    found = {}
    for path in [ROOT / "Snakefile", *sorted((ROOT / "workflow/rules").glob("*.smk"))]:
        for name, body in RULE.findall(path.read_text(encoding="utf-8")):
            found[name] = {key: line + rest for key, line, rest in SECTION.findall(body)}
    return found


RULES = rules()
WORKING = sorted(set(RULES) - {"all"})


def test_every_stage_has_a_rule_file_and_a_program() -> None:
    assert set(RULES) == STAGES | {"all", "synthetic_model"}
    for stage in STAGES:
        assert f"rule {stage}:" in (ROOT / f"workflow/rules/{stage}.smk").read_text("utf-8")
        # the same value in all rules: Snakemake refuses groups of jobs with different ones
        assert "scripts=SCRIPTS," in RULES[stage]["resources"]
        assert f"{{resources.scripts}}/{stage}.py --settings " in RULES[stage]["shell"]
        assert (ROOT / f"workflow/scripts/{stage}.py").is_file()


@pytest.mark.parametrize("name", WORKING)
def test_rule_has_all_sections_and_runs_a_shell_command(name: str) -> None:
    needed = {"log", "benchmark", "conda", "threads", "resources", "params", "message", "shell"}
    assert needed <= set(RULES[name])
    assert not {"script", "run", "notebook", "wrapper"} & set(RULES[name])


@pytest.mark.parametrize("name", WORKING)
def test_rule_names_memory_and_time(name: str) -> None:
    assert {"mem_mb", "runtime"} <= set(NAMED.findall(RULES[name]["resources"]))


@pytest.mark.parametrize("name", sorted(STAGES))
def test_memory_and_time_grow_with_every_retry(name: str) -> None:
    asked = RULES[name]["resources"]
    assert re.search(r"mem_mb=per_attempt\(\d+\),", asked)
    assert re.search(r"runtime=per_attempt\(\d+\),", asked)


def test_shell_waits_for_an_interrupted_program() -> None:
    # otherwise Snakemake ends the job while its program is still saving
    common = (ROOT / "workflow/rules/common.smk").read_text("utf-8")
    assert "shell.prefix(SHELL_PREFIX)\n" in common
    assert "trap : TERM;" in SHELL_PREFIX


CONDA = """#!/bin/sh
case "$*" in
  *version*) echo conda 24.11.0 ;;
  *) echo '{"conda_prefix": "/conda", "platform": "linux-64", "get": {}}' ;;
esac
"""


@pytest.mark.parametrize("sdm", [(), ("--sdm", "conda")], ids=["none", "conda"])
def test_interpreter_is_that_of_snakemake_or_of_the_conda_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sdm: tuple[str, ...]
) -> None:
    write_experiment(tmp_path / "config/burgers_2d.yaml")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/conda").write_text(CONDA)
    (tmp_path / "bin/conda").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    shown = run_cold(tmp_path, TARGET, "--dry-run", "--printshellcmds", *sdm)
    assert shown.returncode == 0, shown.stdout
    python = "python" if sdm else sys.executable
    for stage in ("simulate", "train_physical", "train_synthetic"):
        assert f" {python} {ROOT}/workflow/scripts/{stage}.py --settings" in shown.stdout


def test_rules_do_not_change_the_environment() -> None:
    for path in (ROOT / "workflow/rules").glob("*.smk"):
        assert not re.search(r"PYTHONPATH|export ", path.read_text(encoding="utf-8")), path


DRY_RUN = """
import sys
from snakemake.cli import main

try:
    main(sys.argv[1:])
except SystemExit as ended:
    assert not ended.code, ended.code
heavy = {"torch", "phi", "matplotlib", "lightning"}
print("loaded:", sorted(heavy & set(sys.modules)))
"""


def test_a_dry_run_loads_no_torch(tmp_path: Path) -> None:
    write_experiment(tmp_path / "config/burgers_2d.yaml")
    words = [*command("--dry-run", TARGET)]
    finished = subprocess.run(
        [sys.executable, "-c", DRY_RUN, *words[words.index("--snakefile") :]],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout
    assert "train_synthetic" in finished.stdout
    assert finished.stdout.rstrip().endswith("loaded: []")
    assert not (tmp_path / DIRECTORY).exists(), "nor does it write settings"


@pytest.mark.parametrize("name", WORKING)
def test_settings_and_code_are_the_only_params(name: str) -> None:
    # Snakemake compares params as a set of values without names, so swapped values go unnoticed
    parts = ["parts"] if name == "cache" else []  # files that are no inputs, with their times
    assert NAMED.findall(RULES[name]["params"]) == ["cfg", "code", *parts]


@pytest.mark.parametrize("name", sorted(STAGES))
def test_program_gets_the_settings_the_threads_and_the_log(name: str) -> None:
    command = RULES[name]["shell"]
    for option in ("--settings {params.cfg:q}", "--threads {threads}", "--log {log:q}"):
        assert option in re.sub(r'"\n +(\+ )?"', "", command)


def test_local_rule_needs_nothing() -> None:
    assert "input" in RULES["all"]
    assert not {"output", "shell", "run", "script"} & set(RULES["all"])


def test_snakemake_lint_finds_nothing(tmp_path: Path) -> None:
    write_experiment(tmp_path / "config/burgers_2d.yaml")
    linted = run(tmp_path, "--lint")
    assert linted.returncode == 0, linted.stdout
