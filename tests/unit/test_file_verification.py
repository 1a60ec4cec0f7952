"""``hybrid-pde verify``: each file against the specification of its format."""

import json
from pathlib import Path

import pytest

from hybrid_pde.command_line import app
from hybrid_pde.data.atomic import sha256_of
from tests.unit.test_simulation_conversion import cached


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two cached simulations with their manifest."""
    for number in (0, 1):
        cached(tmp_path, number)
    files = {name: sha256_of(tmp_path / name) for name in map(simulation_name, (0, 1))}
    manifest = {"simulations": [0, 1], "files": files}
    (tmp_path / "cached_000000-000049.json").write_text(json.dumps(manifest))
    return tmp_path


def simulation_name(number: int) -> str:
    return f"sim_{number:06d}.safetensors"


def verified(path: Path) -> int:
    return app.run(["verify", str(path)])


def test_every_file_of_a_folder_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verified(folder) == app.DONE
    simulation = "simulation of 3 frames on 4 × 3 points, u, height; valid"
    assert capsys.readouterr().out.splitlines() == [
        f"{folder}/cached_000000-000049.json: manifest of 2 simulations; valid",
        f"{folder}/sim_000000.safetensors: {simulation}",
        f"{folder}/sim_000001.safetensors: {simulation}",
    ]


def test_a_changed_value_is_found_twice(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / simulation_name(1)
    content = bytearray(path.read_bytes())
    content[8 + int.from_bytes(content[:8], "little") + 3] ^= 0x40  # an exponent
    path.write_bytes(content)
    assert verified(folder) == app.MENDABLE
    shown = capsys.readouterr().err
    assert "2 of 3 files are wrong" in shown
    assert f"{path}: another SHA-256 than in cached_000000-000049.json; delete both" in shown


@pytest.mark.parametrize(
    ("field", "offset"), [("u", 0), ("height", 3 * 2 * 12 * 4)], ids=["in time", "static"]
)
def test_values_are_compared_with_the_statistics(
    folder: Path, capsys: pytest.CaptureFixture[str], field: str, offset: int
) -> None:
    path = folder / simulation_name(0)
    content = bytearray(path.read_bytes())
    begin = 8 + int.from_bytes(content[:8], "little") + offset
    content[begin : begin + 4] = b"\x00\x00\xc0\x7f"  # NaN
    path.write_bytes(content)
    assert verified(path) == app.MENDABLE
    assert f"{field}, channel 0: missing is 1, and 0 in the header" in capsys.readouterr().err


def test_a_file_cut_short_is_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / simulation_name(0)
    path.write_bytes(path.read_bytes()[:-4])
    assert verified(path) == app.MENDABLE
    assert "truncated" in capsys.readouterr().err


def test_a_simulation_that_is_gone_is_found(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / simulation_name(1)).unlink()
    assert verified(folder) == app.MENDABLE
    assert "is in cached_000000-000049.json and does not exist" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["{}", '{"synthetic": {"vrmse": NaN}}', "[]", "{"])
def test_metrics_are_json_with_errors_of_models(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    path = tmp_path / "metrics.json"
    path.write_text('{"synthetic": {"vrmse": 0.1}, "evaluated_on": {"simulations": [1]}}')
    assert verified(path) == app.DONE
    assert "metrics of synthetic; valid" in capsys.readouterr().out
    path.write_text(content)
    assert verified(path) == app.MENDABLE
    assert f"{path}: damaged: " in capsys.readouterr().err


def test_other_files_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").touch()
    assert verified(tmp_path / "a.txt") == app.MENDABLE
    assert verified(tmp_path) == app.MENDABLE
    shown = capsys.readouterr().err
    assert shown.count("no file of a specified format; known: sim_*.safetensors") == 2
