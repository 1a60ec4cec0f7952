"""Reading of PhiFlow scenes, without unpickling."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from phi.flow import (
    Box,
    CenteredGrid,
    Field,
    Scene,
    StaggeredGrid,
    channel,
    extrapolation,
    math,
    spatial,
    wrap,
)

from hybrid_pde.data import DataManager
from hybrid_pde.data.raw_files.formats import open_raw
from hybrid_pde.data.raw_files.raw_file import RawFileInfo
from hybrid_pde.data.staggered_conversion import from_staggered
from hybrid_pde.errors import RawDataError
from tests.unit.raw_files import experiment, raw_path, shared_file

BOX = Box(x=3.0, y=2.0)
RANDOM = np.random.default_rng(0)
DENSITY = RANDOM.normal(size=(3, 6, 5)).astype(np.float32)
FLOW = RANDOM.normal(size=(3, 6, 5, 2)).astype(np.float32)
DIMS = spatial("x,y") & channel(vector="x,y")


def staggered(frame: int, boundary: Any = extrapolation.PERIODIC) -> Field:
    x, y = (wrap(RANDOM.normal(size=(6, 5)).astype(np.float32), spatial("x,y")) for _ in "xy")
    if boundary == 0:
        x, y = x.x[1:], y.y[1:]
    return StaggeredGrid(math.stack([x, y], math.dual(vector="x,y")), boundary, BOX, x=6, y=5)


def write(folder: Path, *, properties: dict[str, Any] | None = None, **more: Any) -> Path:
    """A scene by PhiFlow's own writer: frames 0, 10 and 20."""
    scene = Scene.create(str(folder), copy_calling_script=False)
    for number in range(3):
        density = CenteredGrid(wrap(DENSITY[number], spatial("x,y")), 0, BOX)
        flow = CenteredGrid(wrap(FLOW[number], DIMS), 0, BOX)
        scene.write({"density": density, "flow": flow, **more}, frame=10 * number)
    scene.put_properties({"dt": 0.05, "nu": 0.2} if properties is None else properties)
    return Path(scene.path)


def read(path: Path, **data: Any) -> tuple[RawFileInfo, dict[str, np.ndarray]]:
    with open_raw(path, experiment(path.parent, **data).data) as raw:
        blocks = list(raw.frames(0))
        return raw.info, {n: np.concatenate([b[n] for b in blocks]) for n in blocks[0]}


def test_fields_equal_what_was_written(tmp_path: Path) -> None:
    path = write(tmp_path)
    info, fields = read(path, fields=["density", "flow"], known_parameters={"viscosity": "nu"})
    assert (info.num_frames, info.dt) == (3, pytest.approx(0.5))
    assert (info.grid.shape, info.grid.upper) == ((6, 5), pytest.approx((3, 2)))
    assert not info.boundary_stated  # it is a pickled object
    np.testing.assert_array_equal(fields["density"][:, 0], DENSITY)
    np.testing.assert_array_equal(fields["flow"], np.moveaxis(FLOW, -1, 1))


@pytest.mark.parametrize("boundary", ["periodic", 0.0])
def test_staggered_velocities_are_those_of_the_conversion(tmp_path: Path, boundary: Any) -> None:
    flow = staggered(0, extrapolation.PERIODIC if boundary == "periodic" else 0)
    path = write(tmp_path, velocity=flow)
    info, fields = read(path, fields=["velocity"], boundary=boundary)
    wanted = from_staggered(flow, info.grid).numpy()
    np.testing.assert_allclose(fields["velocity"][1], wanted, atol=1e-5)


def test_flow_through_walls_is_the_mean_of_both_faces(tmp_path: Path) -> None:
    flow = StaggeredGrid(lambda x: 1 + 2 * x, extrapolation.BOUNDARY, BOX, x=6, y=5)
    path = write(tmp_path, velocity=flow)
    info, fields = read(path, fields=["velocity"], boundary="zero-gradient")
    x = info.grid.lower[0] + (np.arange(6) + 0.5) * info.grid.spacing[0]
    wanted = np.broadcast_to((1 + 2 * x)[:, None], (6, 5))
    np.testing.assert_allclose(fields["velocity"][0, 0], wanted, rtol=1e-5)
    with pytest.raises(RawDataError, match="the first and the last face of x differ"):
        read(path, fields=["velocity"], boundary="periodic")
    with pytest.raises(RawDataError, match="set data.boundary, e.g. periodic"):
        read(path, fields=["velocity"])
    assert read(path, fields=["density"])[0].num_frames == 3  # it does not matter there


def test_a_folder_of_scenes_is_cached(tmp_path: Path) -> None:
    folder = raw_path(tmp_path).parent
    write(folder)
    write(folder)
    config = experiment(tmp_path, fields=["density"])
    manager = DataManager(config.raw_dir, config.cache_root, config)
    assert manager.num_simulations == 2
    np.testing.assert_array_equal(manager.load(1).fields["density"][:, 0].numpy(), DENSITY)


def test_public_frames_of_an_older_version(tmp_path: Path) -> None:
    scene = tmp_path / "sim_000000"
    scene.mkdir()
    for name in ("dens", "velo"):
        for frame in range(2):
            source = shared_file(f"netcdf/phiflow_{name}_001000.npz")
            shutil.copy(source, scene / f"{name}_{frame:06d}.npz")
    (tmp_path / "layout.yaml").write_text("dt: 0.5\nboundary: zero-gradient\n")
    info, fields = read(scene, fields=["dens", "velo"])
    assert (info.dt, info.grid.shape, info.grid.upper) == (0.5, (128, 256), (100.0, 200.0))
    with np.load(shared_file("netcdf/phiflow_dens_001000.npz")) as stored:
        np.testing.assert_array_equal(fields["dens"][1, 0], stored["data"].T)
    with np.load(shared_file("netcdf/phiflow_velo_001000.npz")) as stored:
        along_y = stored["data"][..., 0]  # its axes are y, x
    means = (along_y[:-1, :-1] + along_y[1:, :-1]) / 2
    np.testing.assert_allclose(fields["velo"][0, 1], means.T, atol=1e-6)


@pytest.mark.parametrize(
    ("properties", "message"),
    [({}, "scene.put_property"), ({"dt": "x"}, "not stated"), ({"dt": -1.0}, "not stated")],
)
def test_the_time_step_has_to_be_stated(
    tmp_path: Path, properties: dict[str, Any], message: str
) -> None:
    path = write(tmp_path, properties=properties)
    with pytest.raises(RawDataError, match=message):
        read(path, fields=["density"])


def test_damaged_scenes_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    frame = path / "density_000010.npz"
    whole = frame.read_bytes()
    frame.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RawDataError, match=r"sim_000000: density_000010\.npz: cannot be read"):
        read(path, fields=["density"])
    frame.unlink()
    frame.symlink_to(path / "density_000000.npz")
    with pytest.raises(RawDataError, match=r"density_000010\.npz: a link"):
        read(path, fields=["density"])
    frame.unlink()
    shutil.copy(path / "flow_000010.npz", frame)
    with pytest.raises(RawDataError, match=r"density_000010\.npz: of another shape or grid"):
        read(path, fields=["density"])
    (path / "description.json").write_text("{")
    with pytest.raises(RawDataError, match=r"description\.json: cannot be read"):
        read(path, fields=["density"])
