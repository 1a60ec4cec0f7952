"""The Slurm profile with stubs of ``sbatch``, ``srun`` and ``sacct``: names in shell commands.

The stubs run each job at once, through the same shells as Slurm: the one on the submitting machine,
the batch script, the step, and the stage's own.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hybrid_pde.config.safe_names import FILE_SIGNS, OWN_FOLDER_SIGNS, SIGNS
from hybrid_pde.errors import UserError
from hybrid_pde.workflow.requested_experiments import RequestedExperiments
from tests.workflow.snakemake_run import PYTHONPATH
from tests.workflow.test_dry_run_errors import raw_experiment
from tests.workflow.tiny import ROOT

CANARY = "executed"
STUBS = {
    "sbatch": """#!/bin/bash
for word in "$@"; do
  case $word in --wrap=*) wrapped=${word#--wrap=} ;; esac
done
number=$(($(ls "$STUB_JOBS" | wc -l) + 1))
SLURM_JOB_ID=$number sh -c "$wrapped" >"$STUB_JOBS/$number.log" 2>&1
echo "$?" >"$STUB_JOBS/$number"
echo "$number"
""",
    "srun": """#!/bin/bash
while case $1 in -*) true ;; *) false ;; esac; do shift; done
exec "$@"
""",
    "sacct": """#!/bin/bash
cd "$STUB_JOBS"
shopt -s nullglob
for log in *.log; do
  number=${log%.log}
  [ "$(cat "$number")" = 0 ] && state=COMPLETED || state=FAILED
  echo "$number|$state"
done
""",
}


@pytest.fixture
def stub_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of the stubs' jobs; the stubs are found first."""
    programs, jobs = tmp_path / "bin", tmp_path / "jobs"
    programs.mkdir()
    jobs.mkdir()
    for name, text in STUBS.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("STUB_JOBS", str(jobs))
    return jobs


def project(folder: Path, dset_name: str, raw_name: str) -> None:
    """An experiment on two raw files, one of which gets the name."""
    raw_experiment(folder)
    raw = folder / "data/burgers_2d"
    (raw / "b.nc").rename(raw / raw_name)
    raw.rename(folder / "data" / dset_name)
    path = folder / "config/burgers_2d.yaml"
    content = yaml.safe_load(path.read_text())
    content["data"]["dset_name"] = dset_name
    path.write_text(yaml.safe_dump(content))


def test_allowed_names_are_text_in_every_shell(tmp_path: Path, stub_slurm: Path) -> None:
    folder = tmp_path / f"my work{OWN_FOLDER_SIGNS}"
    folder.mkdir()
    accents = "Übung_é_日本"
    dset_name, raw_name = f"d{SIGNS}{accents}", f"{accents}{FILE_SIGNS}.nc"
    project(folder, dset_name, raw_name)
    manifest = f"data/cache/{dset_name}/cached_000000-000001.json"
    finished = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")),
            *("--workflow-profile", str(ROOT / "profiles/slurm"), "--retries", "0"),
            *("--slurm-no-account", "--slurm-status-command", "sacct"),
            *("--default-resources", "slurm_partition=main"),
            *("--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "1"),
            *("--", manifest),
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": PYTHONPATH, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
    logs = [path.read_text() for path in stub_slurm.glob("*.log")]
    assert finished.returncode == 0, "\n".join([finished.stdout, *logs])
    assert len(logs) == 1, "one job was submitted"
    assert (folder / manifest).is_file()


COMMANDS = (
    f"$(touch {CANARY})", f"c`touch {CANARY}`", f"';touch {CANARY};'", f'";touch {CANARY};"',
    f"a;touch {CANARY}", f"a|touch {CANARY}", f"a\ntouch {CANARY}", "$HOME", "a\\", "{u}", "{",
    "a*", "a?", "a!b", "a<b", "a>b", "a#b", "a\x1b[31m", "a\u202eb", "a\x7f",
)  # fmt: skip
NOT_FOLDERS = (*COMMANDS, "a,b", "a%jb", "-dd", " a", "a ", "n" * 300, "日" * 90)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_raw_file_with_another_name_is_rejected_by_the_dry_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    project(tmp_path, "burgers_2d", f"{name}.nc")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        UserError, match=r"burgers_2d.yaml: raw file: .*is not allowed; allowed"
    ) as e:
        RequestedExperiments({}, claim=False)
    assert "rename the file" in str(e.value)
    assert str(e.value).isprintable()
    assert not list(tmp_path.rglob(CANARY))


@pytest.mark.parametrize(
    ("key", "name"),
    [
        *(("data.dset_name", name) for name in NOT_FOLDERS),
        *((f"data.{key}", name) for key in ("data_dir", "cache_dir") for name in NOT_FOLDERS[:3]),
    ],
)
def test_a_folder_with_another_name_is_rejected_by_the_dry_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, key: str
) -> None:
    raw_experiment(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=rf"burgers_2d.yaml\)?: {key}[^:]*: .*rename the folder"):
        RequestedExperiments({key.split(".")[0]: {key.split(".")[1]: name}}, claim=False)
    assert not list(tmp_path.rglob(CANARY))


def test_an_experiment_file_with_another_name_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw_experiment(tmp_path)
    monkeypatch.chdir(tmp_path)
    path = Path(f"config/$(touch {CANARY}).yaml")
    Path("config/burgers_2d.yaml").rename(path)
    with pytest.raises(UserError, match="path: .*the character '\\$' is not allowed.*rename the f"):
        RequestedExperiments({"experiment": str(path)}, claim=False)
