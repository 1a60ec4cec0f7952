"""All fuzz subjects, and the formats of raw files among them."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hybrid_pde.data.raw_files.subprocess_reader import open_in_subprocess
from hybrid_pde.errors import UserError
from tests.fuzz import reference_readers
from tests.fuzz.project_files import OTHERS
from tests.fuzz.raw_content import (
    Content,
    Recipe,
    content_of,
    write_flat,
    write_groups,
    write_netcdf,
    write_npz,
    write_pypde,
    write_scene_frame,
    write_well,
    write_zarr,
)
from tests.fuzz.subject_interface import Subject
from tests.unit.raw_files import experiment

CLOSE = 1e-5  # tolerance for single precision and for packed numbers computed in another order


@dataclass(frozen=True)
class RawSubject(Subject):
    """A format of raw files."""

    write: Callable[[Path, Content], None]
    plain: Callable[[Path], reference_readers.Plain]

    def make(self, path: Path, content: Any) -> None:
        faults = content["faults"]
        for kept in range(len(faults), -1, -1):
            try:
                self.write(path, content_of({**content, "faults": faults[:kept]}))
                return
            except (RuntimeError, OSError, ValueError, TypeError):
                path.unlink(missing_ok=True)  # impossible to write; try with fewer faults
        raise AssertionError(content)

    def whole(self, folder: Path, seed: int) -> bytes:
        random = np.random.default_rng(seed)
        recipe: Recipe = {
            "frames": int(random.integers(2, 6)),
            "points": [int(each) for each in random.integers(3, 8, size=2)],
            "descending": bool(random.integers(2)),
            "order": ["time", "x", "y"],
            "samples": int(random.choice(np.array([0, 2]))),
            "dtype": str(random.choice(np.array(["f8", "f4", "packed"]))),
            "faults": [],
        }
        path = folder / f"whole{Path(self.file_name).suffix}"
        self.make(path, recipe)
        content = path.read_bytes()
        path.unlink()
        return content

    def read(self, path: Path) -> Any:
        data = experiment(path.parent, boundary="zero-gradient").data
        with open_in_subprocess(path, data) as raw:
            samples = []
            for sample in range(raw.info.num_samples):
                raw.known(sample)
                static = raw.static(sample)
                blocks = [] if static else list(raw.frames(sample))
                if static:
                    raise UserError(f"{path}: u is static")  # nothing to compare
                samples.append(np.concatenate([block["u"] for block in blocks]))
            return raw.info, np.asarray(raw.times), np.stack(samples)

    def size(self, found: Any) -> int:
        return 8 * found[2].size

    def difference(self, path: Path, found: Any) -> str | None:
        info, times, values = found
        wanted_times, wanted = self.plain(path)
        if values.shape[2] != 1:
            return None  # u has a component axis, which the reference reader does not support
        wanted = wanted.reshape(values.shape) if wanted.size == values.size else wanted
        if wanted.shape != values.shape:
            return f"the shape {values.shape} instead of {wanted.shape}"
        scale = float(np.nanmax(np.abs(wanted)))
        if not np.allclose(values, wanted, rtol=CLOSE, atol=CLOSE * min(scale, 1e30)):
            return f"values differ by {np.nanmax(np.abs(values - wanted))}"
        steps = np.diff(times) / np.diff(wanted_times)  # the unit of time is a common factor
        if len(times) != len(wanted_times) or not np.allclose(steps, steps[0], rtol=1e-3):
            return f"the times {times} instead of {wanted_times}"
        is_alike = np.isfinite([*info.grid.lower, *info.grid.upper, info.dt]).all()
        return None if is_alike else "the grid or the time step is not finite"


class _Described(RawSubject):
    """Arrays with a description beside them, which is not damaged."""

    def read(self, path: Path) -> Any:
        path.with_name("layout.yaml").write_text("dims: [time, x, y]\n")
        return super().read(path)


class _SceneFrame(RawSubject):
    """A frame of a scene, which is a folder; the other frame is a copy of it."""

    folder = "sim_000000"

    def read(self, path: Path) -> Any:
        scene = path.with_name(self.folder)
        scene.mkdir(exist_ok=True)
        scene.joinpath("description.json").write_text('{"dt": 0.5}')
        for number in range(2):
            frame = scene / f"u_{number:06d}.npz"
            if path.is_file():
                shutil.copyfile(path, frame)
            elif path.is_symlink() or path.exists():
                path.rename(frame)
        return super().read(scene)

    def name_in_errors(self, path: Path) -> str:
        return self.folder


def _netcdf(file_format: str) -> RawSubject:
    write = partial(write_netcdf, file_format=file_format)
    return RawSubject("u.nc", write, reference_readers.from_netcdf)


SUBJECTS: dict[str, Subject] = {
    "netcdf 3": _netcdf("NETCDF3_CLASSIC"),
    "netcdf 4": _netcdf("NETCDF4"),
    "pdebench, flat": RawSubject("u.h5", write_flat, reference_readers.from_flat),
    "pdebench, groups": RawSubject("u.hdf5", write_groups, reference_readers.from_groups),
    "pdeinvbench": RawSubject(
        "u.h5", partial(write_flat, is_single=True), reference_readers.from_flat
    ),
    "the well": RawSubject("u.h5", write_well, reference_readers.from_well),
    "py-pde": RawSubject("u.hdf5", write_pypde, reference_readers.from_pypde),
    "zarr": RawSubject("u.zip", write_zarr, reference_readers.from_zarr),
    "npz": _Described("u.npz", write_npz, reference_readers.from_npz),
    "scene": _SceneFrame("frame.npz", write_scene_frame, reference_readers.from_scene_frame),
    **OTHERS,
}
