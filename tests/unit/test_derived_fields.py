"""Vorticity from velocity and back, while files are read."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybrid_pde.data import DataManager
from hybrid_pde.data.raw_files.derived_fields import curl
from hybrid_pde.domain.grid import PERIODIC, FieldLayout, Grid
from hybrid_pde.errors import ConfigError, RawDataError
from tests.unit.raw_files import cells, experiment, raw_path, write_file

TIMES = np.arange(3) * 0.5
X, Y = cells(16, 3.0), cells(12, 2.0)
P, Q = 2 * np.pi / 3.0, np.pi * 2  # wavenumbers of the box, 1 along x and 2 along y
AMPLITUDE = 1 + TIMES[:, None, None]
SX, CX = np.sin(P * X)[:, None], np.cos(P * X)[:, None]
SY, CY = np.sin(Q * Y), np.cos(Q * Y)
# of the stream function ψ = sin(px) cos(qy)
FLOW = np.stack([-Q * AMPLITUDE * SX * SY, -P * AMPLITUDE * CX * CY])
OMEGA = (P**2 + Q**2) * AMPLITUDE * SX * CY


def load(root: Path, derive: dict[str, str], fields: list[str], **data: Any) -> Any:
    dims = ("time", "x", "y")
    variables = {"u": (dims, FLOW[0]), "v": (dims, FLOW[1]), "omega": (dims, OMEGA)}
    write_file(raw_path(root), {"time": TIMES, "x": X, "y": Y}, variables)
    names = {"velocity": ["u", "v"], "vorticity": "omega"}
    given = {k: v for k, v in names.items() if k not in derive}
    config = experiment(root, fields=fields, derive=derive, variables=given, **data)
    return DataManager(config.raw_dir, config.cache_root, config).load(0)


def test_vorticity_of_a_velocity(tmp_path: Path) -> None:
    found = load(tmp_path, {"vorticity": "curl(velocity)"}, ["vorticity"])
    assert found.header.layouts == (FieldLayout("vorticity"),)
    np.testing.assert_allclose(found.fields["vorticity"][:, 0], OMEGA, atol=2e-5)


def test_velocity_of_a_vorticity(tmp_path: Path) -> None:
    derive = {"velocity": "velocity(vorticity)"}
    found = load(tmp_path, derive, ["vorticity", "velocity"])
    assert [layout.name for layout in found.header.layouts] == ["vorticity", "velocity"]
    np.testing.assert_allclose(found.fields["velocity"], FLOW.swapaxes(0, 1), atol=2e-5)
    np.testing.assert_array_equal(found.fields["vorticity"][:, 0], OMEGA.astype(np.float32))


def test_curl_in_space() -> None:
    sides = ((PERIODIC, PERIODIC),) * 3
    grid = Grid(tuple("xyz"), (8, 10, 12), (0.0,) * 3, (1.0, 2.0, 3.0), sides, (False,) * 3)
    x, y, z = (cells(n, length) for n, length in zip(grid.shape, grid.upper, strict=True))
    x, y, z = np.meshgrid(2 * np.pi * x, np.pi * y, 2 * np.pi / 3 * z, indexing="ij")
    u = np.stack([np.sin(y), np.sin(z), np.sin(x)])[None]
    wanted = [-2 * np.pi / 3 * np.cos(z), -2 * np.pi * np.cos(x), -np.pi * np.cos(y)]
    np.testing.assert_allclose(curl(u, grid)[0], wanted, atol=1e-12)


@pytest.mark.parametrize(
    ("derive", "fields", "data", "message"),
    [
        ({"vorticity": "curl(velocity)"}, ["vorticity"], {"boundary": 0.0}, "periodic along all"),
        ({"vorticity": "curl(omega)"}, ["vorticity"], {}, r"omega has 1 channel\(s\) on 2 axes"),
        ({"vorticity": "curl(w)"}, ["vorticity"], {}, "data.fields: no variable 'w'"),
    ],
)
def test_what_cannot_be_derived_is_refused(
    tmp_path: Path, derive: dict[str, str], fields: list[str], data: Any, message: str
) -> None:
    with pytest.raises(RawDataError, match=message):
        load(tmp_path, derive, fields, **data)


def test_wrong_rules_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.derive\.w: 'div\(u\)': must be curl"):
        experiment(tmp_path, derive={"w": "div(u)"})
    with pytest.raises(ConfigError, match="data.derive: not in data.fields: 'w' is unknown"):
        load(tmp_path, {"w": "curl(velocity)"}, ["velocity"])
