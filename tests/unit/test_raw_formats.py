"""Formats of raw files: a new reader in the readers' folder adds a format."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import hybrid_pde.data.readers
from hybrid_pde.data.cache.data_manager import DataManager
from hybrid_pde.data.cache.raw_index import build_index
from hybrid_pde.data.raw_files.formats import open_raw, suffixes
from hybrid_pde.errors import ConfigError, RawDataError
from hybrid_pde.workflow import code_digest
from hybrid_pde.workflow.plan import Plan
from tests.unit.raw_files import experiment, raw_path

FRAMES, POINTS = 5, 8
# u[time, x], times and points counted from 0
READER = """
import contextlib

from hybrid_pde.data.raw_files.guards import errors_name_file

FORMAT = "plain"
SUFFIXES = (".arr",)


@contextlib.contextmanager
def open_raw(path, data):
    import numpy as np
    import xarray as xr

    from hybrid_pde.data.raw_files.labelled_file import LabelledFile

    with errors_name_file(path):
        values = np.load(path)
        axes = {"time": np.arange(len(values)) * 0.5, "x": (np.arange(values.shape[1]) + 0.5) / 8}
        file = LabelledFile(path, xr.Dataset({"u": (("time", "x"), values)}, axes), data)
    yield file
"""


@pytest.fixture(autouse=True)
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A reader of a new format in a separate folder."""
    file = tmp_path / "readers" / "plain_arrays.py"
    file.parent.mkdir()
    file.write_text(READER)
    folders = [*hybrid_pde.data.readers.__path__, str(file.parent)]
    monkeypatch.setattr(hybrid_pde.data.readers, "__path__", folders)
    yield file
    sys.modules.pop("hybrid_pde.data.readers.plain_arrays", None)


@pytest.fixture
def values(tmp_path: Path) -> np.ndarray:
    """The values ``[T, X]`` of a raw file in the new format."""
    written = np.random.default_rng(0).standard_normal((FRAMES, POINTS)).astype(np.float32)
    with open(raw_path(tmp_path, "a.arr"), "wb") as file:
        np.save(file, written)
    return written


@pytest.mark.parametrize("file_format", ["auto", "plain"])
def test_a_new_format_is_read(tmp_path: Path, values: np.ndarray, file_format: str) -> None:
    config = experiment(tmp_path, format=file_format)
    assert ".arr" in suffixes(file_format)
    with open_raw(raw_path(tmp_path, "a.arr"), config.data) as raw:
        read = np.concatenate([block["u"] for block in raw.frames(0)])
        assert raw.info.grid.spacing == (1 / 8,)
    assert np.array_equal(read[:, 0], values)


@pytest.mark.parametrize("file_format", ["auto", "plain"])
def test_the_subprocess_finds_the_new_reader(
    tmp_path: Path, values: np.ndarray, file_format: str
) -> None:
    config = experiment(tmp_path, format=file_format)
    manager = DataManager(config.raw_dir, config.cache_root, config)
    assert np.array_equal(manager.load(0).fields["u"][:, 0].numpy(), values)


def test_a_format_ignores_files_of_other_formats(tmp_path: Path, values: np.ndarray) -> None:
    with pytest.raises(RawDataError, match=r"no raw files \(\.arr\)"):
        build_index(experiment(tmp_path, format="plain"), raw_dir=tmp_path / "readers")
    with pytest.raises(RawDataError, match=r"no raw files \(\.h5, \.hdf5\)"):
        build_index(experiment(tmp_path, format="hdf5-pdebench"))


def test_a_misspelt_format_is_an_error_that_lists_the_new_one(tmp_path: Path) -> None:
    message = (
        "data.format: 'plane': unknown; did you mean 'plain'? Allowed: auto, netcdf, npz, "
        "hdf5-pdebench, hdf5-pdeinvbench, scene, plain, hdf5-pypde, hdf5-well, zarr"
    )
    with pytest.raises(ConfigError, match=re.escape(message)):
        experiment(tmp_path, format="plane")


def test_the_stages_that_read_raw_files_depend_on_their_readers(reader: Path) -> None:
    codes: dict[tuple[str, str], str] = {}
    changed: dict[tuple[str, str], bool] = {}
    for text in (READER, READER + "\nVALUE = 1\n"):
        reader.write_text(text)
        for function in (code_digest._digest, code_digest._source):
            function.cache_clear()
        for file_format in ("plain", "netcdf", "auto"):
            plan = Plan(Path("config/burgers_2d.yaml"), False, [f"data.format={file_format}"])
            for stage in ("cache", "augment", "train_physical"):
                key = file_format, stage
                changed[key] = codes.get(key) != plan.code(stage)
                codes[key] = plan.code(stage)
    assert {key for key, differs in changed.items() if differs} == {
        ("plain", "cache"), ("auto", "cache"),
        ("plain", "augment"), ("netcdf", "augment"), ("auto", "augment"),
    }  # fmt: skip


def test_readers_are_listed_without_their_libraries() -> None:
    program = (
        "import sys; from hybrid_pde.data.raw_files.formats import suffixes\n"
        "assert '.nc' in suffixes('auto')\n"
        "print([name for name in ('xarray', 'netCDF4', 'h5py') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
