"""The resilience harness itself: fingerprints, counting hook, table and full disk."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.resilience import faults
from tests.resilience.experiment import GROUP
from tests.resilience.fingerprint import differing, fingerprint, litter
from tests.resilience.ledger import Work, epochs, simulations
from tests.resilience.outcomes import Outcome, Reference
from tests.resilience.small_disk import small_disk, unavailable_reason
from tests.resilience.table import Figures, table
from tests.workflow.snakemake_run import PYTHONPATH
from tests.workflow.tiny import ROOT


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder with a few results."""
    folder = tmp_path / "run"
    (folder / "results/b/synthetic").mkdir(parents=True)
    (folder / "results/b/logs").mkdir()
    (folder / "data").mkdir()
    (folder / "results/b/synthetic_model.pt").write_bytes(b"weights")
    (folder / "results/b/synthetic/history.csv").write_text("epoch,loss,seconds\n1,0.5,0.25\n")
    (folder / "results/b/logs/a.log").write_text("12:00")
    return folder


def test_fingerprints_contain_results_but_not_wall_times(results: Path) -> None:
    before = fingerprint(results)
    assert sorted(before) == ["results/b/synthetic/history.csv", "results/b/synthetic_model.pt"]
    (results / "results/b/logs/a.log").write_text("13:00")
    history = results / "results/b/synthetic/history.csv"
    history.write_text("epoch,loss,seconds\n1,0.5,0.75\n")
    assert differing(fingerprint(results), before) == []
    history.write_text("epoch,loss,seconds\n1,0.4,0.25\n")
    (results / "results/b/synthetic_model.pt").unlink()
    assert differing(fingerprint(results), before) == sorted(before)


def test_leftover_files_are_listed(results: Path) -> None:
    left = ["data/.sim_000001.nc.0a1b2c3d.tmp", "results/b/checkpoints/0a/new.pt"]
    for name in left:
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).touch()
    assert litter(results) == left


def test_hook_counts_begun_and_ended_work(tmp_path: Path) -> None:
    hook = (ROOT / "tests/resilience/counting_hook.py").read_text()
    (tmp_path / "sitecustomize.py").write_text(hook)
    program = tmp_path / "workflow/scripts/augment.py"
    program.parent.mkdir(parents=True)
    for package in (program.parent, program.parent.parent):
        (package / "__init__.py").touch()
    # the third epoch is interrupted, and so is the second group of simulations
    program.write_text(
        "import os\n"
        "from pathlib import Path\n"
        "from hybrid_pde.progress import progress\n"
        "for name, last in (('training', 2), ('simulating', 1)):\n"
        "    for number in progress(range(9), name):\n"
        "        if number == last:\n"
        "            break\n"
        "for name in ('sim_000000.nc', 'sim_000001.nc', 'manifest.json'):\n"
        "    Path('new').touch()\n"
        "    os.replace('new', name)\n"
    )
    subprocess.run(
        [sys.executable, str(program)],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": f"{tmp_path}:{PYTHONPATH}",
            "WORK_LEDGER": str(tmp_path / "ledger.jsonl"),
        },
        check=True,
    )
    notes = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    assert {note["stage"] for note in notes} == {"augment"}
    assert epochs(tmp_path / "ledger.jsonl") == Work(begun=3, ended=2)
    assert simulations(tmp_path / "ledger.jsonl") == Work(begun=2 * GROUP, ended=2)
    assert epochs(tmp_path / "none.jsonl") == Work(begun=0, ended=0)


def test_table_has_the_share_of_repeated_work() -> None:
    reference = Reference(seconds=30.0, digests={}, epochs=40, simulations=35)
    outcome = Outcome(
        trial=0, struck=["augment", "augment"], code=0, differing=[], litter=["x"], alive=0,
        tracebacks=0, epochs_begun=2, epochs_twice=1, simulations_begun=7, simulations_twice=0,
        seconds=60.0,
    )  # fmt: skip
    found = table([Figures("kill", [outcome, outcome], reference)])
    assert "| kill | 2 | 4 | 2 | 2 | 2.5 % (5.0 %) | 0.0 % (20.0 %) | 2 | 0 |" in found
    assert "kill: augment 4" in found


@pytest.mark.skipif(unavailable_reason() is not None, reason=str(unavailable_reason()))
def test_filled_disk_rejects_writes(tmp_path: Path) -> None:
    with small_disk(tmp_path):
        faults.fill(tmp_path / "filler")
        with pytest.raises(OSError, match="No space left"):
            (tmp_path / "more").write_bytes(b"x" * 8192)
        (tmp_path / "filler").unlink()
        (tmp_path / "more").write_bytes(b"x" * 8192)
