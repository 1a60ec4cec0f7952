"""Model files made to take more memory than their size, or to hold values of other kinds."""

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.environment import peak_memory
from hybrid_pde.config import parse_experiment
from hybrid_pde.config.discovery import architecture_options
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.errors import CheckpointError
from hybrid_pde.models import load_synthetic_model
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.models.surrogate_file import save_synthetic_model
from hybrid_pde.models.tensor_file import read_tensor_file

SIDES = ("periodic", "periodic")
GRID = Grid(("x",), (16,), (0.0,), (1.0,), (SIDES,), (False,))
Content = dict[str, Any]


def saved(path: Path, name: str = "ConvNet", **architecture: Any) -> Content:
    config = {
        "run_params": {"model_type": "synthetic"},
        "data": {"fields": ["u"]},
        "model": {
            "synthetic": {
                "name": name,
                "input_specs": {"u": 1},
                "output_specs": {"u": 1},
                "architecture": architecture,
            }
        },
    }
    experiment = parse_experiment(config)
    model = ModelRegistry.registered_synthetic(name)(experiment, spatial_dims=1, boundary=(SIDES,))
    save_synthetic_model(path, model, experiment, GRID, [FieldLayout("u")], 0.1)
    return torch.load(path, weights_only=True)


def peak_growth(call: Callable[[], Any]) -> int:
    """Growth of the largest resident memory of this process [bytes]."""
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of earlier tests
    before = peak_memory()
    call()
    return peak_memory() - before


def _stride_0(content: Content) -> None:
    content["config"]["model"]["synthetic"]["architecture"]["hidden_channels"] = 9000
    names = [name for name, values in content["weights"].items() if values.ndim == 3]
    for name in names:
        content["weights"][name] = torch.zeros(1).expand(9000, 9000, 3)


def _one_length(content: Content) -> None:
    """Dense weights, one of them long enough for the settings to pass."""
    content["config"]["model"]["synthetic"]["architecture"]["hidden_channels"] = 9000
    content["weights"]["input_std"] = torch.ones(9000)


def _bundle(content: Content) -> None:
    content["config"]["model"]["synthetic"]["bundle"] = 10**9


def _nested(content: Content) -> None:
    part: Any = [0]
    for _ in range(40):
        part = [part] * 10
    content["config"]["data"]["fields"] = part


@pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="needs /proc/self/clear_refs of Linux"
)
@pytest.mark.parametrize("craft", [_stride_0, _one_length, _bundle, _nested])
def test_a_small_file_cannot_ask_for_much_memory(
    tmp_path: Path, craft: Callable[[Content], None]
) -> None:
    path = tmp_path / "model.pt"
    content = saved(path, hidden_channels=8)
    craft(content)
    torch.save(content, path)

    def load() -> None:
        with pytest.raises(CheckpointError, match=r"model\.pt: "):
            load_synthetic_model(path)

    assert peak_growth(load) < 200e6


def test_only_tensors_and_plain_types_are_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save({"kind": "checkpoint"}, path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    program = next(name for name in parts if name.endswith("data.pkl"))
    for code in (b"cbuiltins\nbytearray\nI10000000000\n\x85R.", pickle.dumps(bytearray(3), 4)):
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in {**parts, program: code}.items():
                archive.writestr(name, content)
        with pytest.raises(CheckpointError, match=r"bytearray|STACK_GLOBAL"):
            read_tensor_file(path, "checkpoint")
    torch.save({"kind": "checkpoint", "a": torch.zeros(10**6).to_sparse()}, path)
    with pytest.raises(CheckpointError, match="_rebuild_sparse_tensor"):
        read_tensor_file(path, "checkpoint")


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("dt", "x"),
        ("dt", float("nan")),
        ("dt", -1.0),
        ("spatial_dims", 2),
        ("spatial_dims", True),
        ("boundary", [["periodic"]]),
        ("parameter_defaults", {"u": "x"}),
        ("training_range", {"u": [[0.0, 0.0], [1.0]]}),
        ("versions", {"torch": 2}),
        ("layouts", [3]),
        ("grid", {}),
    ],
)
def test_values_of_another_kind_are_refused(tmp_path: Path, part: str, value: Any) -> None:
    path = tmp_path / "model.pt"
    content = saved(path)
    torch.save({**content, part: value}, path)
    with pytest.raises(CheckpointError, match=r"model\.pt: the model cannot be rebuilt"):
        load_synthetic_model(path)


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    content = saved(path)
    name = next(name for name in content["weights"] if name.endswith("weight"))
    content["weights"][name].view(-1)[0] = torch.nan
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=f"{name}: holds values that are not finite"):
        load_synthetic_model(path)


def test_every_architecture_is_built_without_memory(tmp_path: Path) -> None:
    for name in architecture_options():
        content = saved(tmp_path / name, name)
        experiment = parse_experiment(content["config"])
        with torch.device("meta"):
            made = ModelRegistry.registered_synthetic(name)(
                experiment, spatial_dims=1, boundary=(SIDES,)
            )
        assert all(values.is_meta for values in made.parameters()), name
        load_synthetic_model(tmp_path / name)
