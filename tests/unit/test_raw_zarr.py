"""Reading of Zarr stores: versions 2 and 3, folders and zips, xarray's and plain ones."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr
from zarr.storage import ZipStore

from hybrid_pde.data import DataManager, build_index
from hybrid_pde.data.raw_files.formats import open_raw
from hybrid_pde.errors import RawDataError
from tests.unit.raw_files import cells, experiment, raw_path

TIMES = np.arange(4) * 0.5
X, Y = cells(6, 3.0), cells(5)
U = np.random.default_rng(0).normal(size=(4, 6, 5)).astype(np.float32)
pytestmark = pytest.mark.filterwarnings("ignore::zarr.errors.ZarrUserWarning")


def labelled(values: np.ndarray = U) -> xr.Dataset:
    coordinates = {"time": TIMES, "x": X, "y": Y}
    attrs = {"nu": 0.1, "boundary": "zero-gradient"}
    return xr.Dataset({"u": (("time", "x", "y"), values)}, coordinates, attrs)


def plain(path: Path, version: int, **options: Any) -> zarr.Group:
    """A store written by zarr alone."""
    group = zarr.open_group(path, mode="w", zarr_format=version)  # type: ignore[arg-type]
    arrays = {"u": U, "time": TIMES, "x": X, "y": Y}
    for name, values in arrays.items():
        dims = ["time", "x", "y"] if name == "u" else [name]
        given = {"dimension_names": dims} if version == 3 else {}
        array = group.create_array(name, data=values, **given, **(options if name == "u" else {}))
        if version == 2:
            array.attrs["dimensions"] = dims
    return group


def read(path: Path, **data: Any) -> np.ndarray:
    with open_raw(path, experiment(path.parent, **data).data) as raw:
        return np.concatenate([block["u"] for block in raw.frames(0)])[:, 0]


@pytest.mark.parametrize("version", [2, 3])
def test_a_store_of_xarray_equals_a_plain_read(tmp_path: Path, version: int) -> None:
    path = tmp_path / "a.zarr"
    labelled().to_zarr(path, zarr_format=version)
    known = {"viscosity": "nu"}
    with open_raw(path, experiment(tmp_path, known_parameters=known).data) as raw:
        values = np.concatenate([block["u"] for block in raw.frames(0)])[:, 0]
        assert raw.info.grid.boundary[0] == ("zero-gradient", "zero-gradient")
        assert raw.known(0)[0].values == 0.1
        assert raw.info.dt == 0.5
    np.testing.assert_array_equal(values, xr.open_zarr(path)["u"].values)
    np.testing.assert_array_equal(values, U)


@pytest.mark.parametrize("version", [2, 3])
def test_a_plain_store_equals_a_plain_read(tmp_path: Path, version: int) -> None:
    group = plain(tmp_path / "store", version, chunks=(2, 3, 5))
    values = read(tmp_path / "store")  # known by its content, not by its name
    np.testing.assert_array_equal(values, np.asarray(group["u"]))


def test_a_zip_is_read(tmp_path: Path) -> None:
    store = ZipStore(tmp_path / "a.zip", mode="w")
    with pytest.warns(UserWarning, match="Duplicate name"):
        labelled().to_zarr(store, zarr_format=3)
    store.close()
    np.testing.assert_array_equal(read(tmp_path / "a.zip"), U)


@pytest.mark.parametrize("version", [2, 3])
def test_missing_and_packed_values(tmp_path: Path, version: int) -> None:
    values = U.astype(np.float64)
    values[2, 1, 3] = np.nan
    packed = {"dtype": "int16", "scale_factor": 0.001, "_FillValue": -32767}
    labelled(values).to_zarr(tmp_path / "a.zarr", zarr_format=version, encoding={"u": packed})
    with pytest.raises(RawDataError, match=r"a\.zarr: u: missing .* time index 2 .* x index 1"):
        read(tmp_path / "a.zarr")
    found = read(tmp_path / "a.zarr", observations={"missing": "mask"})
    np.testing.assert_allclose(found, values, atol=0.0006)
    single = {"dtype": "float32", "_FillValue": -9.0}
    labelled(values).to_zarr(tmp_path / "b.zarr", zarr_format=version, encoding={"u": single})
    found = read(tmp_path / "b.zarr", observations={"missing": "mask"})
    np.testing.assert_array_equal(found, values.astype(np.float32))


def test_zeros_are_values_in_a_plain_store(tmp_path: Path) -> None:
    group = plain(tmp_path / "a.zarr", 2)
    group["u"][0] = 0.0  # type: ignore[index]
    group["u"].attrs["_ARRAY_DIMENSIONS"] = ["time", "x", "y"]
    assert (read(tmp_path / "a.zarr")[0] == 0).all()


def test_a_folder_of_stores_is_cached_and_noticed_when_it_changes(tmp_path: Path) -> None:
    folder = raw_path(tmp_path).parent
    for number in range(2):
        labelled(U + number).to_zarr(folder / f"run_{number}.zarr")
    config = experiment(tmp_path)
    manager = DataManager(config.raw_dir, config.cache_root, config)
    assert manager.num_simulations == 2
    np.testing.assert_array_equal(manager.load(1).fields["u"][:, 0].numpy(), U + 1)
    before = manager.path(1).read_bytes()
    chunk = next(each for each in (folder / "run_1.zarr/u").rglob("*") if each.is_file())
    (folder / "run_1.zarr/u").rename(folder / "run_1.zarr/old")
    labelled(U + 5)[["u"]].drop_vars(["time", "x", "y"]).to_zarr(folder / "run_1.zarr", mode="a")
    assert chunk.exists()
    again = DataManager(config.raw_dir, config.cache_root, config)
    np.testing.assert_array_equal(again.load(1).fields["u"][:, 0].numpy(), U + 5)
    assert again.path(1).read_bytes() != before
    (folder / "run_0.zarr").rename(folder / "run_3.zarr")  # the same content, another name
    assert {path.name for path in build_index(config).infos} == {"run_1.zarr", "run_3.zarr"}


def test_the_data_set_may_be_one_store(tmp_path: Path) -> None:
    path = raw_path(tmp_path, "").parent / "run.zarr"
    labelled().to_zarr(path)
    index = build_index(experiment(tmp_path, dset_name="run.zarr"))
    assert list(index.infos) == [path]


def refused(path: Path) -> str:
    with pytest.raises(RawDataError) as error:
        read(path)
    assert str(path) in str(error.value)
    return str(error.value)


def test_codecs_that_could_run_code_are_refused(tmp_path: Path) -> None:
    plain(tmp_path / "v2", 2)
    metadata = json.loads((tmp_path / "v2/u/.zarray").read_text())
    metadata["filters"] = [{"id": "pickle"}]
    (tmp_path / "v2/u/.zarray").write_text(json.dumps(metadata))
    assert "the codec 'pickle' is not allowed" in refused(tmp_path / "v2")
    plain(tmp_path / "v3", 3)
    metadata = json.loads((tmp_path / "v3/u/zarr.json").read_text())
    inner = {"codecs": [{"name": "numcodecs.pickle", "configuration": {}}]}
    metadata["codecs"].append({"name": "sharding_indexed", "configuration": inner})
    (tmp_path / "v3/u/zarr.json").write_text(json.dumps(metadata))
    assert "the codec 'pickle' is not allowed" in refused(tmp_path / "v3")


def test_links_in_a_store_are_refused(tmp_path: Path) -> None:
    plain(tmp_path / "a.zarr", 3)
    (tmp_path / "a.zarr/u/c").rename(tmp_path / "elsewhere")
    (tmp_path / "a.zarr/u/c").symlink_to(tmp_path / "elsewhere")
    assert "u/c: a link; copy what it stands for" in refused(tmp_path / "a.zarr")


def test_huge_chunks_are_refused(tmp_path: Path) -> None:
    plain(tmp_path / "a.zarr", 3)
    metadata = json.loads((tmp_path / "a.zarr/u/zarr.json").read_text())
    metadata["chunk_grid"]["configuration"]["chunk_shape"] = [10**6, 10**5, 5]
    (tmp_path / "a.zarr/u/zarr.json").write_text(json.dumps(metadata))
    assert "a chunk: the header states 1000000 x 100000 x 5" in refused(tmp_path / "a.zarr")


def test_what_is_no_labelled_store_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "a.zarr").mkdir()
    assert "not a Zarr store" in refused(tmp_path / "a.zarr")
    zarr.save_array(tmp_path / "b.zarr", U)
    assert "a single array without axes; write it into a group" in refused(tmp_path / "b.zarr")
    zarr.open_group(tmp_path / "c.zarr", mode="w").create_array("u", data=U)
    assert "_ARRAY_DIMENSIONS" in refused(tmp_path / "c.zarr")
    (tmp_path / "d.zarr").mkdir()
    (tmp_path / "d.zarr/zarr.json").write_text("{")
    assert "zarr.json: no valid JSON" in refused(tmp_path / "d.zarr")
