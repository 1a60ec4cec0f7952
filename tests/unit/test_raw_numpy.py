"""Reading of described NumPy files, and advice for files that are not read."""

import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from hybrid_pde.data import DataManager, build_index
from hybrid_pde.data.raw_files.formats import open_raw
from hybrid_pde.data.raw_files.raw_file import RawFileInfo
from hybrid_pde.errors import RawDataError
from hybrid_pde.workflow.plan import Plan
from tests.unit.raw_files import cells, experiment, raw_path

TIMES = np.arange(4) * 0.5
X, Y = cells(6, 3.0), cells(5)
U = np.random.default_rng(0).normal(size=(4, 6, 5)).astype(np.float32)
LAYOUT = """
dims: {u: [time, x, y]}
coordinates: {y: [0.0, 1.0]}
units: {u: m/s, x: m, time: s}
boundary: {x: periodic, y: 0.0}
parameters: {nu: 0.25}
"""


def read(path: Path, **data: Any) -> tuple[RawFileInfo, dict[str, np.ndarray]]:
    with open_raw(path, experiment(path.parent, **data).data) as raw:
        blocks = list(raw.frames(0))
        return raw.info, {n: np.concatenate([b[n] for b in blocks]) for n in blocks[0]}


def archive(path: Path, layout: str = LAYOUT, **arrays: np.ndarray) -> Path:
    np.savez_compressed(path, **{"u": U, "time": TIMES, "x": X, **arrays})
    path.with_suffix(".yaml").write_text(layout)
    return path


def test_an_archive_equals_what_numpy_loads(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.npz")
    data = experiment(tmp_path, known_parameters={"viscosity": "nu"}).data
    with open_raw(path, data) as raw:
        assert raw.known(0)[0].values == 0.25
        assert raw.info.units.length == "m"
    info, fields = read(path)
    assert (info.dt, info.grid.lower, info.grid.upper) == (0.5, (0.0, 0.0), (3.0, 1.0))
    assert info.grid.boundary == (("periodic", "periodic"), (0.0, 0.0))
    with np.load(path) as stored:
        np.testing.assert_array_equal(fields["u"][:, 0], stored["u"])


@pytest.mark.parametrize(
    "layout",
    [
        "dims: [time, x, y]\ndt: 0.5\nstart: 1.0\ncoordinates: {x: [0, 3], y: [0, 1]}",
        "dims: {u: [time, x, y]}\ndt: 0.5\nstart: 1\ncoordinates: {x: [0, 3], y: [0, 1]}",
    ],
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_single_array(tmp_path: Path, layout: str, order: Any) -> None:
    np.save(tmp_path / "run.npy", np.asarray(U, order=order))
    (tmp_path / "layout.yaml").write_text(layout)  # of all files of the folder
    info, fields = read(tmp_path / "run.npy")
    assert (info.start, info.dt, info.num_frames) == (1.0, 0.5, 4)
    np.testing.assert_array_equal(fields["u"][:, 0], U)


def test_samples_and_components(tmp_path: Path) -> None:
    flow = np.stack([np.stack([U, 2 * U], -1)] * 3)
    layout = "dims: {flow: [sample, time, x, y, vector]}\ndt: 0.5\ncoordinates: {y: [0, 1]}"
    path = tmp_path / "a.npz"
    np.savez(path, flow=flow, x=X)
    path.with_suffix(".yaml").write_text(layout)
    info, fields = read(path, fields=["flow"])
    assert (info.num_samples, info.layouts[0].components) == (3, ("x", "y"))
    np.testing.assert_array_equal(fields["flow"], np.moveaxis(flow[0], -1, 1))


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ("dims: {w: [time, x]}", r"dims: 'w' is unknown\. Allowed: u, time, x"),
        ("dims: {u: [time, x]}", r"dims: u: \['time', 'x'\] are 2 axes, its shape is"),
        ("dims: {u: [t, x, y]}\ncoordinates: {y: [0, 1]}", "no times: give .* dt"),
        (LAYOUT + "dt: 0.5", "dt: an array lists the times, too"),
        (LAYOUT + "dx: 0.5", r"a\.yaml: dx: the key 'dx' is unknown"),
        (LAYOUT + "dt: -1", r"a\.yaml: dt: -1: input should be greater than 0"),
        ("dims: {u: [time, x, y]}\ncoordinates: {y: x}", r"coordinates\.y: x: its shape is \[6\]"),
        ("dims: {u: [x, time, y]}", "time: 4 points along 'time', other arrays have 6"),
        ("dims: {u: [time, x, y]}", "no coordinate variable; give the ends"),
        ("a: !!python/object/apply:os.system ['true']", r"a\.yaml: cannot be read"),
        (LAYOUT + "boundary: open", "the key 'boundary' is given twice"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(
    tmp_path: Path, layout: str, message: str
) -> None:
    path = archive(tmp_path / "a.npz", layout)
    with pytest.raises(RawDataError, match=message) as error:
        read(path)
    assert str(path) in str(error.value)


def test_a_file_without_description_says_what_to_write(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.npz")
    path.with_suffix(".yaml").unlink()
    message = r"holds u\[4, 6, 5\], .*write a\.yaml beside it .*dims: \{u: \[time, x, y\]\}, dt"
    with pytest.raises(RawDataError, match=message):
        read(path)


class _Harmful:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("unpickled",))


def test_pickled_arrays_are_never_loaded(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.npz", other=np.array([_Harmful()], dtype=object))
    np.testing.assert_array_equal(read(path)[1]["u"][:, 0], U)
    with pytest.raises(RawDataError, match="no variable 'other'"):
        read(path, fields=["other"])
    np.save(tmp_path / "b.npy", np.array([_Harmful()], dtype=object))
    (tmp_path / "b.yaml").write_text("dims: [x]\ndt: 1")
    with pytest.raises(RawDataError, match=r"b\.npy: "):
        read(tmp_path / "b.npy")
    (tmp_path / "c.npy").write_bytes(pickle.dumps(_Harmful()))
    (tmp_path / "c.yaml").write_text("dims: [x]\ndt: 1")
    with pytest.raises(RawDataError, match=r"c\.npy: cannot be read"):
        read(tmp_path / "c.npy")


@pytest.mark.parametrize("name", ["a.npz", "a.npy"])
def test_truncated_files_are_refused(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path / "a.npz")
    if name == "a.npy":
        path = tmp_path / name
        np.save(path, U)
        path.with_suffix(".yaml").write_text(
            "dims: [time, x, y]\ndt: 0.5\ncoordinates: {x: [0, 3], y: [0, 1]}"
        )
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(RawDataError, match=f"{name}: "):
        read(path)


def test_a_changed_description_is_read_again(tmp_path: Path) -> None:
    path = archive(raw_path(tmp_path, "a.npz"))
    config = experiment(tmp_path)
    manager = DataManager(config.raw_dir, config.cache_root, config)
    assert manager.load(0).header.grid.upper == (3.0, 1.0)
    path.with_suffix(".yaml").write_text(LAYOUT.replace("[0.0, 1.0]", "[0.0, 10.0]"))
    again = DataManager(config.raw_dir, config.cache_root, config)
    assert again.load(0).header.grid.upper == (3.0, 10.0)


def test_the_plan_notices_companions_and_folders(tmp_path: Path) -> None:
    path = archive(raw_path(tmp_path, "a.npz"))
    config = f"project_root: {tmp_path}\ndata: {{dset_name: heat, fields: [u]}}\n"
    (tmp_path / "made.yaml").write_text(
        config + "model: {synthetic: {name: UNet, input_specs: {u: 1}, output_specs: {u: 1}}}\n"
        "run_params: {model_type: synthetic}\n"
        "trainer_params: {train_sim: [0], val_sim: [], num_predict_steps: 1}\n"
    )
    before = Plan(tmp_path / "made.yaml", False).raw_parts((0, 0))
    path.with_suffix(".yaml").write_text(LAYOUT + "start: 1.0\n")
    after = Plan(tmp_path / "made.yaml", False).raw_parts((0, 0))
    assert before
    assert before != after


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("a.mat", "scipy.io.loadmat"), ("a.grb", "cdo -f nc copy"), ("a.csv", "pd.read_csv"),
        ("a.vtu", "pyvista.read"), ("a.pkl", "np.savez"), ("a.ckpt", "np.savez"),
    ],
)  # fmt: skip
def test_files_of_other_formats_end_in_advice(tmp_path: Path, name: str, advice: str) -> None:
    path = raw_path(tmp_path, name)
    path.write_text("x")
    with pytest.raises(RawDataError, match=advice) as error:
        open_raw(path, experiment(tmp_path).data)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)
    with pytest.raises(RawDataError, match=f"no raw files .*{advice}"):
        build_index(experiment(tmp_path))
    with pytest.raises(RawDataError, match=advice):
        build_index(experiment(tmp_path), raw_dir=path)


def test_a_file_with_the_ending_of_another_format_is_named(tmp_path: Path) -> None:
    xr.Dataset({"u": ("x", np.ones(3))}).to_netcdf(tmp_path / "a.nc", engine="netcdf4")
    for name in ("a.txt", "a.h5"):
        shutil.copy(tmp_path / "a.nc", tmp_path / name)
        with pytest.raises(RawDataError, match=rf"{name}: NetCDF.* its name ends in \.nc"):
            open_raw(tmp_path / name, experiment(tmp_path).data).__enter__()
