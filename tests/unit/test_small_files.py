"""Files that are too large, never end, or hold control characters, in place of those of a run."""

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hybrid_pde.config import load_experiment, yaml_file
from hybrid_pde.data.cache.cache_location import cache_directory
from hybrid_pde.data.cache.manifests import digests_of
from hybrid_pde.data.cache.raw_index import build_index
from hybrid_pde.data.cache.source_digests import NAME, SourceDigests
from hybrid_pde.domain.small_file import read_small_bytes
from hybrid_pde.errors import RawDataError, StorageError, UserError, make_log_printable, printable
from hybrid_pde.evaluation.report.html_report import report_of_folder
from hybrid_pde.models.physical.parameters_file import read_result
from hybrid_pde.workflow.folder_checks import _locked_outputs
from hybrid_pde.workflow.library_versions import version_differences
from hybrid_pde.workflow.pin import check_pinned
from tests.fuzz.cases import BOMB
from tests.unit.raw_files import experiment, raw_path

CONFIG = {"run_params": {"model_type": "synthetic"}, "data": {"fields": ["u"]}}


def _report(folder: Path) -> None:
    report_of_folder(folder / "report.html", folder, CONFIG)


# each with the file that it reads, in a folder that is the working directory
READERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "pinned": ("results/x/pinned.json", lambda _: check_pinned("x")),
    "manifest": ("m.json", lambda folder: digests_of([folder / "m.json"], [0])),
    "claim": (
        "data/cache/heat/reading.json",
        lambda folder: cache_directory(experiment(folder), claim=False),
    ),
    "parameters": ("parameters.yaml", lambda folder: read_result(folder / "parameters.yaml")),
    "parameters in the report": ("physical/parameters.yaml", _report),
    "metrics in the report": ("evaluation/metrics.json", _report),
    "history in the report": ("synthetic/history.csv", _report),
    "frames in the report": ("evaluation/frames.json", _report),
    "residuals in the report": ("physical/residuals.json", _report),
    "experiment": ("e.yaml", lambda folder: load_experiment(folder / "e.yaml")),
    "raw file": ("data/heat/a.nc", lambda folder: build_index(experiment(folder))),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", READERS)
def test_a_pipe_is_refused_by_name_and_not_waited_for(folder: Path, name: str) -> None:
    file, read = READERS[name]
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    with pytest.raises(UserError, match=path.name.replace(".", r"\.")):
        read(folder)


def test_a_pipe_in_place_of_an_optional_record_is_left_out(folder: Path) -> None:
    for name in ("logs/cache.versions.json", ".snakemake/locks/0.output.lock", NAME):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(path)
    assert version_differences([folder]) == []
    assert _locked_outputs(folder) == set()
    raw = folder / "a.nc"
    raw.write_text("x")
    assert SourceDigests(folder).digest(raw)
    assert build_fails_only_for_the_raw_file(folder)


def build_fails_only_for_the_raw_file(folder: Path) -> bool:
    index = folder / "index.json"
    os.mkfifo(index)
    raw_path(folder).write_text("x")
    with pytest.raises(RawDataError, match=r"a\.nc"):
        build_index(experiment(folder), index)
    return True


def test_devices_and_large_files_are_not_read(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="not a regular file"):
        read_small_bytes(Path("/dev/zero"))
    path = tmp_path / "a"
    path.write_bytes(bytes(11))
    assert len(read_small_bytes(path, 11)) == 11
    with pytest.raises(OSError, match="11 bytes; at most 10 are read"):
        read_small_bytes(path, 10)


@pytest.mark.parametrize("name", ["parameters", "parameters in the report", "experiment"])
@pytest.mark.parametrize("text", [BOMB, "[" * 10**5, "a: &a [*a]", "- b"])
def test_a_document_larger_than_its_file_is_refused(folder: Path, name: str, text: str) -> None:
    file, read = READERS[name]
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    with pytest.raises(UserError, match=path.name.replace(".", r"\.")):
        read(folder)


def test_a_long_document_is_refused_while_it_is_read() -> None:
    text = "a: [" + "1," * 10**6  # without an end, which is never reached
    with pytest.raises(ValueError, match="more than 100 entries"):
        yaml_file.parse_yaml(text, 100)


@pytest.mark.parametrize("text", ["[" * 10**5, "[]", "3", '{"a": '])
def test_other_json_is_refused_in_the_report(folder: Path, text: str) -> None:
    (folder / "evaluation").mkdir()
    (folder / "evaluation/metrics.json").write_text(text)
    with pytest.raises(UserError, match=r"metrics\.json: damaged"):
        _report(folder)


def test_messages_have_no_control_characters(caplog: pytest.LogCaptureFixture) -> None:
    name = "a\x1b]0;x\x07\r\x9b1m\u202e\udc80.nc"
    escaped = r"a\x1b]0;x\x07\r\x9b1m\u202e\udc80.nc"
    assert printable(f"é\t{name}\n") == f"é\t{escaped}\n"
    for error in (RawDataError(name), StorageError(name)):
        assert str(error) == escaped
    before = logging.getLogRecordFactory()
    make_log_printable()
    try:
        logging.getLogger("x").warning("%s", name)
    finally:
        logging.setLogRecordFactory(before)
    assert escaped in caplog.text and "\x1b" not in caplog.text


def test_json_is_read_with_its_numbers(folder: Path) -> None:
    from hybrid_pde.config.result_file import read_result_file

    path = folder / "numbers.json"
    path.write_text(json.dumps({"a": 1e-05}))  # which YAML would take for text
    assert read_result_file(path) == {"a": 1e-05}
