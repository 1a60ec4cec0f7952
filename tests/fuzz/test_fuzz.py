"""Damaged files of every kind: correct values or an error naming the file, no crash, no hang."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from hybrid_pde.data import DataManager, build_index
from hybrid_pde.data.raw_files import subprocess_reader
from hybrid_pde.data.raw_files.labelled_file import BLOCK_BYTES
from hybrid_pde.errors import RawDataError
from tests.conftest import ROOT
from tests.fuzz.cases import draw
from tests.fuzz.pool import run_cases
from tests.fuzz.report import FINE, findings, table
from tests.fuzz.subjects import SUBJECTS
from tests.unit.raw_files import experiment, raw_path, write_simple

CASES = int(os.environ.get("FUZZ_CASES", "100"))
NIGHTLY_CASES = max(CASES, 2000)
SEED = int(os.environ.get("FUZZ_SEED", "0"))
# a valid file with one flipped bit; netCDF-C 4.9 never returns from reading it
HANGING = Path(__file__).with_name("hanging.nc")


def test_damaged_files_are_read_correctly_or_named_in_an_error(tmp_path: Path) -> None:
    assert_read_or_named_in_an_error(CASES, tmp_path)


@pytest.mark.nightly
def test_many_damaged_files_are_read_correctly_or_named_in_an_error(tmp_path: Path) -> None:
    assert_read_or_named_in_an_error(NIGHTLY_CASES, tmp_path)


def assert_read_or_named_in_an_error(number: int, folder: Path) -> None:
    results = list(run_cases(draw(number, SEED), folder))
    assert len(results) >= number
    assert findings(results) == [], table(results)
    outcomes = Counter(result["outcome"] for _, result in results)
    assert min(outcomes[each] for each in FINE) > number // 10, outcomes


@pytest.mark.parametrize("name", SUBJECTS)
def test_valid_files_are_read_correctly(tmp_path: Path, name: str) -> None:
    subject = SUBJECTS[name]
    path = tmp_path / subject.file_name
    path.write_bytes(subject.whole(tmp_path, 3))
    assert subject.difference(path, subject.read(path)) is None


def test_the_same_seed_draws_the_same_cases() -> None:
    assert draw(40, 7) == draw(40, 7)
    assert draw(40, 7) != draw(40, 8)


def test_crashes_and_hangs_of_workers_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A misbehaving worker is counted as crash, hang or exception."""
    program = (
        "import json, os, sys, time\n"
        "for line in sys.stdin:\n"
        "    kind = json.loads(line)['kind']\n"
        "    if kind == 'crash': os.kill(os.getpid(), 11)\n"
        "    if kind == 'hang': time.sleep(60)\n"
        "    print(json.dumps({'outcome': 'read'}), flush=True)\n"
    )
    start = subprocess.Popen

    def bad_worker(command: list[str], **options: object) -> object:
        return start([sys.executable, "-c", program], **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", bad_worker)
    monkeypatch.setattr("tests.fuzz.pool.LIMIT_S", 2)
    kinds = ("read", "crash", "read", "hang", "read")
    outcomes = {
        number: result["outcome"]
        for case, result in run_cases(
            [{"kind": kind, "number": number} for number, kind in enumerate(kinds)], tmp_path, 1
        )
        for number in [case["number"]]
    }
    assert tuple(outcomes[number] for number in range(len(kinds))) == kinds


def test_a_file_that_hangs_the_library_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess_reader, "LIMIT_S", 3)
    raw_path(tmp_path, "b.nc").write_bytes(HANGING.read_bytes())
    write_simple(raw_path(tmp_path, "a.nc"))
    with pytest.raises(RawDataError, match=r"b\.nc: "):
        build_index(experiment(tmp_path))
    assert build_index(experiment(tmp_path), strict=False).num_frames(0) == 5


def test_a_crash_of_the_library_is_an_error_and_the_next_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_simple(raw_path(tmp_path))
    config = experiment(tmp_path)
    subprocess_reader.read_info(path, config.data)
    reader = subprocess_reader._processes[os.getpid()]
    with subprocess_reader.open_in_subprocess(path, config.data) as raw:
        reader.process.send_signal(signal.SIGSEGV)
        with pytest.raises(RawDataError, match=r"a\.nc: the library .* crashed \(SIGSEGV\)"):
            list(raw.frames(0))
    assert subprocess_reader.read_info(path, config.data).num_frames == 5


KILLED_WHILE_READING = """
import os, signal, sys
from pathlib import Path
from hybrid_pde.data.raw_files import subprocess_reader
from hybrid_pde.data.raw_files.subprocess_protocol import send
from tests.unit.raw_files import experiment

path = Path(sys.argv[1])
with subprocess_reader.open_in_subprocess(path, experiment(path.parents[2]).data) as raw:
    frames = raw.frames(0)
    next(frames)
    (reader,) = subprocess_reader._processes.values()
    send(reader.process.stdin, {"do": "block", "file": 0, "with": {}, "limit_s": 60})
    while not reader.process.stdout.peek(1):
        pass
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_reader_ends_silently_when_its_parent_is_killed(tmp_path: Path) -> None:
    path = write_simple(raw_path(tmp_path), frames=9, points=BLOCK_BYTES // 8 // 4)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_WHILE_READING, str(path)],
        capture_output=True,  # waits until the reader has closed them too
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert killed.stderr == b""


def test_sizes_in_the_header_are_checked_before_reading(tmp_path: Path) -> None:
    recipe = {
        "frames": 3, "points": [4, 4], "descending": False, "order": ["time", "x", "y"],
        "samples": 0, "dtype": "f8", "faults": [["resize", "x", 10**12]],
    }  # fmt: skip
    for name in ("netcdf 4", "pdebench, flat", "pdebench, groups"):
        subject = SUBJECTS[name]
        path = tmp_path / subject.file_name
        subject.make(path, recipe)
        assert path.stat().st_size < 10**5
        with pytest.raises(RawDataError, match="header states 1000000000000 numbers"):
            subject.read(path)


def test_files_with_odd_names_are_cached(tmp_path: Path) -> None:
    for name in ("ünïcödé Ω.nc", "with space.nc", "$(touch x);'\".nc", "new\nline.nc"):
        write_simple(raw_path(tmp_path, name))
    config = experiment(tmp_path)
    manager = DataManager(config.raw_dir, config.cache_root, config)
    manifest = manager.cache_shard(range(4))
    assert len(set(manifest["files"].values())) == 4  # their headers name their sources
    values = [manager.load(index).fields["u"].numpy() for index in range(4)]
    np.testing.assert_array_equal(values[1:], [values[0]] * 3)
