"""Exported surrogates: the same numbers without this library, metadata, what cannot be exported."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

import hybrid_pde
from hybrid_pde.command_line import app
from hybrid_pde.domain.data_description import DataDescription
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.domain.stated_units import StatedUnits
from hybrid_pde.errors import CheckpointError, ExportError, StateError
from hybrid_pde.models.surrogate_file import save_synthetic_model
from hybrid_pde.models.synthetic.exported_step import METADATA_FILE, export_step
from hybrid_pde.models.synthetic.onnx_surrogate import OnnxSurrogate
from hybrid_pde.models.synthetic.synthetic_model import SyntheticModel
from tests.unit.surrogates import PERIODIC, awake, needs_neuraloperator, surrogate

WALLS = ("zero-gradient", 1.5)
GRID = Grid(("x", "y"), (8, 6), (0.0, 0.0), (1.0, 0.75), (PERIODIC, WALLS), (False, False))
LAYOUTS = (FieldLayout("u", ("x", "y")), FieldLayout("kappa", static=True))
UNITS = StatedUnits(length="m", time="s", variables=(("u", "m s-1"),))
# refuses every import of the library, whatever the environment says
BARE = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("hybrid_pde", "src", "neuralop"):
            raise ImportError(name)

sys.meta_path.insert(0, Blocker())
import numpy as np

inputs, file, output = np.load(sys.argv[1]), sys.argv[2], sys.argv[3]
if file.endswith(".onnx"):
    import onnxruntime

    session = onnxruntime.InferenceSession(file)
    assert [each.name for each in session.get_inputs()] == list(inputs)
    found = session.run(None, dict(inputs))[0]
else:
    import torch

    step = torch.export.load(file).module()
    found = step(*(torch.from_numpy(inputs[name]) for name in inputs)).numpy()
np.save(output, found)
"""


def saved(folder: Path, name: str, **section: Any) -> Path:
    """A surrogate of a vector, a static field and a parameter, with statistics that matter."""
    inputs = {"nu": 1, "u": 2, "kappa": 1}
    model = awake(surrogate(name, GRID.boundary, inputs, {"u": 2}, **section))
    model.parameter_defaults = {"nu": (0.5,)}
    model.input_mean.copy_(torch.tensor([0.5, 1.0, -2.0, 3.0]))
    model.input_std.copy_(torch.tensor([0.1, 0.5, 2.0, 1.5]))
    path = folder / f"{name}.pt"
    data = DataDescription(GRID, LAYOUTS, 0.01, UNITS)
    save_synthetic_model(path, model, model.experiment, GRID, LAYOUTS, 0.01, origin=data)
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("exported"), "UNet", coordinates=1, potentials=True)


@pytest.fixture(scope="module")
def onnx(path: Path) -> Path:
    file = path.with_suffix(".onnx")
    assert app.run(["export", str(path), "--output", str(file)]) == 0
    return file


def inputs_of(windows: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(windows)
    return {
        "state": torch.randn(windows, 3, *GRID.shape, generator=generator),
        "nu": torch.linspace(0.3, 0.8, windows).reshape(-1, 1),
    }


def in_bare_process(file: Path, inputs: dict[str, torch.Tensor], folder: Path) -> torch.Tensor:
    """The output of an exported file in a process that cannot import this library."""
    np.savez(folder / "inputs.npz", **{name: each.numpy() for name, each in inputs.items()})
    arguments = [str(folder / "inputs.npz"), str(file), str(folder / "output.npy")]
    command = [sys.executable, "-I", "-W", "ignore", "-c", BARE, *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return torch.from_numpy(np.load(folder / "output.npy"))


def by_model(model: SyntheticModel, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    state = inputs["state"]
    nu = inputs["nu"][..., None, None].expand(-1, 1, *GRID.shape)
    with torch.no_grad():
        whole = torch.cat([nu, state], dim=1)
        return model(whole) if model.bundle == 1 else model.predict(whole)


def test_onnx_gives_the_same_numbers_in_a_bare_process(
    path: Path, onnx: Path, tmp_path: Path
) -> None:
    inputs = inputs_of(5)
    found = in_bare_process(onnx, inputs, tmp_path)
    expected = by_model(hybrid_pde.load_synthetic_model(path), inputs)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert not torch.allclose(expected, inputs["state"][:, :2], atol=1e-2), "no persistence"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("UNet", marks=pytest.mark.nightly),
        pytest.param("FNO", marks=needs_neuraloperator),
    ],
)
def test_pt2_gives_the_same_numbers_in_a_bare_process(name: str, tmp_path: Path) -> None:
    model = hybrid_pde.load_synthetic_model(saved(tmp_path, name, bundle=2))
    made = export_step(model, tmp_path / "step.pt2")
    assert made["batch"] == "any" and made["inputs"]["nu"] == ["any", 1]
    inputs = inputs_of(1)
    found = in_bare_process(tmp_path / "step.pt2", inputs, tmp_path)
    assert found.shape == (1, 2, 2, *GRID.shape)
    torch.testing.assert_close(found, by_model(model, inputs), rtol=0, atol=1e-5)


def test_a_surrogate_without_parameters_takes_any_number_of_windows(tmp_path: Path) -> None:
    model = awake(surrogate("ConvNet", GRID.boundary, {"u": 2}))
    path, layouts = tmp_path / "plain.pt", LAYOUTS[:1]
    save_synthetic_model(path, model, model.experiment, GRID, layouts, 0.01)
    made = export_step(hybrid_pde.load_synthetic_model(path), tmp_path / "step.pt2")
    assert made["inputs"] == {"state": ["any", 2, 8, 6]}


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["ResNet", "DilatedResNet", "ConvNet"])
@pytest.mark.parametrize("suffix", [".pt2", ".onnx"])
def test_every_convolutional_architecture_can_be_exported(
    name: str, suffix: str, tmp_path: Path
) -> None:
    model = hybrid_pde.load_synthetic_model(saved(tmp_path, name))
    made = export_step(model, tmp_path / f"step{suffix}")
    assert made["batch"] == "any"
    inputs = inputs_of(4)
    found = in_bare_process(tmp_path / f"step{suffix}", inputs, tmp_path)
    torch.testing.assert_close(found, by_model(model, inputs), rtol=0, atol=1e-5)


def test_the_metadata_describe_the_data(onnx: Path) -> None:
    import onnxruntime

    stored = onnxruntime.InferenceSession(str(onnx)).get_modelmeta().custom_metadata_map
    values = {name: json.loads(text) for name, text in stored.items()}
    assert Grid.from_dict(values["grid"]) == GRID
    assert values["dt"] == 0.01
    assert [each["name"] for each in values["fields"]] == ["u", "kappa"]
    assert values["units"]["length"] == "m"
    assert METADATA_FILE.endswith(".json")


def test_predict_runs_an_exported_file_as_its_original(
    path: Path, onnx: Path, tmp_path: Path
) -> None:
    generator = np.random.default_rng(0)
    x, y = (np.arange(8) + 0.5) / 8, (np.arange(6) + 0.5) / 8
    given = xr.Dataset(
        {
            "u": (("vector", "x", "y"), generator.normal(size=(2, 8, 6)).astype(np.float32)),
            "kappa": (("x", "y"), np.ones((8, 6), np.float32)),
        },
        {"x": x, "y": y},
    )
    given.to_netcdf(tmp_path / "state.nc")
    found = []
    for model in (path, onnx):
        output = tmp_path / f"{model.suffix[1:]}.nc"
        start = ["--initial", str(tmp_path / "state.nc"), "--steps", "4"]
        call = ["predict", str(model), *start, "--parameters", "nu=0.6", "--output", str(output)]
        assert app.run(call) == 0
        with xr.open_dataset(output) as written:
            found.append(written["u"].values)
    np.testing.assert_allclose(found[1], found[0], atol=1e-4)
    surrogate = OnnxSurrogate(onnx)
    with pytest.raises(StateError, match="single precision"):
        surrogate.rollout(torch.zeros(1, 4, 8, 6, dtype=torch.float64), 1)


def test_what_cannot_be_exported_or_run(path: Path, onnx: Path, tmp_path: Path) -> None:
    model = hybrid_pde.load_synthetic_model(path)
    with pytest.raises(ExportError, match=r"the ending '\.pth' is no format of models; use \.pt2"):
        export_step(model, tmp_path / "step.pth")
    model.exports_to_onnx = False  # as the FNO's
    with pytest.raises(ExportError, match=r"UNet cannot be written as ONNX.*export it as \.pt2"):
        export_step(model, tmp_path / "step.onnx")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(CheckpointError, match=r"UNet\.pt: damaged, or no ONNX model"):
        OnnxSurrogate(path)
    with pytest.raises(CheckpointError, match=r"none\.onnx: No such file"):
        OnnxSurrogate(tmp_path / "none.onnx")
    import onnx as format_library

    content = format_library.load(onnx)
    del content.metadata_props[:]
    format_library.save(content, tmp_path / "foreign.onnx")
    with pytest.raises(CheckpointError, match=r"foreign\.onnx: no model that `hybrid-pde export`"):
        OnnxSurrogate(tmp_path / "foreign.onnx")


class _Unstable(torch.nn.Module):
    """A network that no graph can hold: its operations depend on its values."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        inner = values[:, :2, :8, :6]  # without the padding
        return inner if float(values.sum()) > 0 else -inner


def test_a_network_that_cannot_be_traced_is_named(path: Path, tmp_path: Path) -> None:
    model = hybrid_pde.load_synthetic_model(path)
    model.network = _Unstable()
    with pytest.raises(ExportError, match=r"UNet cannot be traced by torch\.export: "):
        export_step(model, tmp_path / "step.pt2")
