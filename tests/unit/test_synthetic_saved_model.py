"""Files of trained surrogates: round trip, damaged and foreign files."""

import pickle
from pathlib import Path

import pytest
import torch

from hybrid_pde.config import parse_experiment
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.errors import CheckpointError
from hybrid_pde.models import load_synthetic_model
from hybrid_pde.models.surrogate_file import load_saved_model, save_synthetic_model
from hybrid_pde.models.synthetic.architectures.unet.network import UNet
from hybrid_pde.training.checkpoint import load_checkpoint, save_checkpoint

GRID = Grid(
    axes=("x", "y"),
    shape=(8, 6),
    lower=(0.0, 0.0),
    upper=(1.0, 0.75),
    boundary=(("periodic", "periodic"), ("zero-gradient", 1.5)),
    nodes_on_boundary=(False, False),
)
LAYOUTS = (FieldLayout("velocity", ("x", "y")), FieldLayout("kappa", static=True))
CONFIG = {
    "run_params": {"model_type": "synthetic", "seed": 3, "experiment_name": "secret_name"},
    "data": {"fields": ["velocity", "kappa"], "data_dir": "/secret/place"},
    "model": {
        "synthetic": {
            "name": "UNet",
            "input_specs": {"velocity": 2, "kappa": 1},
            "output_specs": {"velocity": 2},
            "architecture": {"hidden_channels": 4, "depth": 1, "norm": "group"},
        }
    },
    "trainer_params": {"train_sim": [0], "learning_rate": "2e-3", "epochs": 7},
}


@pytest.fixture
def model() -> UNet:
    made = UNet(CONFIG, spatial_dims=2, boundary=GRID.boundary)
    made.set_normalization(
        {
            "input_mean": torch.tensor([1.0, 2.0, 3.0]),
            "input_std": torch.tensor([4.0, 5.0, 6.0]),
            "increment_std": torch.tensor([0.7, 0.8]),
        }
    )
    torch.nn.init.constant_(made.network.project.weight, 0.3)
    return made


def save(path: Path, model: UNet) -> Path:
    save_synthetic_model(path, model, model.experiment, GRID, LAYOUTS, dt=0.01)
    return path


def test_the_file_is_all_that_is_needed(tmp_path, model):
    loaded = load_saved_model(save(tmp_path / "new" / "synthetic_model.pt", model))
    state = torch.randn(2, 3, 8, 6)
    assert torch.equal(loaded.model.rollout(state, 3), model.rollout(state, 3))
    assert not loaded.model.training
    assert (loaded.grid, loaded.layouts, loaded.dt) == (GRID, LAYOUTS, 0.01)
    training = loaded.experiment.trainer_params.synthetic
    assert (training.learning_rate, training.epochs) == (2e-3, 7)
    assert loaded.experiment.model == parse_experiment(CONFIG).model
    assert loaded.versions["torch"] == torch.__version__


def test_the_file_contains_plain_data_without_names_or_paths(tmp_path, model):
    first = save(tmp_path / "a.pt", model)
    second = save(tmp_path / "elsewhere" / "b.pt", model)
    content = torch.load(first, weights_only=True)
    assert content["weights"]["input_std"].tolist() == [4.0, 5.0, 6.0]
    assert first.read_bytes() == second.read_bytes()
    assert b"secret" not in first.read_bytes()
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["a.pt"]


def test_a_damaged_file_is_rejected(tmp_path, model):
    path = save(tmp_path / "model.pt", model)
    whole = path.read_bytes()
    weights = whole.index(model.network.project.weight.detach().numpy().tobytes())
    flipped = bytearray(whole)
    flipped[weights] ^= 1
    for damaged in (whole[: len(whole) // 2], whole[:-1], bytes(flipped), b"", b"no model"):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"model\.pt: damaged"):
            load_synthetic_model(path)


def test_an_absent_or_another_file_is_rejected(tmp_path):
    with pytest.raises(CheckpointError, match=r"model\.pt: there is no such file"):
        load_synthetic_model(tmp_path / "model.pt")
    torch.save({"weights": torch.zeros(2)}, tmp_path / "other.pt")
    save_checkpoint(tmp_path / "checkpoint.pt", {"weights": torch.zeros(2)})
    for name in ("other.pt", "checkpoint.pt"):
        with pytest.raises(CheckpointError, match=f"{name}: a file of PyTorch, but no synthetic"):
            load_synthetic_model(tmp_path / name)


def test_another_version_and_missing_parts_are_rejected(tmp_path, model):
    path = save(tmp_path / "model.pt", model)
    content = torch.load(path, weights_only=True)
    torch.save(content | {"version": 99}, path)
    with pytest.raises(CheckpointError, match="version 99"):
        load_synthetic_model(path)
    del content["weights"]["input_mean"]
    torch.save(content, path)
    with pytest.raises(CheckpointError, match="input_mean"):
        load_synthetic_model(path)


class _Malicious:
    """Unpickling it runs a command."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return (Path.touch, (self.target,))


def test_a_malicious_pickle_is_rejected_and_does_not_run(tmp_path):
    target = tmp_path / "executed"
    torch.save({"kind": "synthetic model", "version": 1, "w": _Malicious(target)}, tmp_path / "a")
    (tmp_path / "b").write_bytes(pickle.dumps(_Malicious(target)))
    for name in ("a", "b"):
        with pytest.raises(CheckpointError, match="damaged, or no"):
            load_synthetic_model(tmp_path / name)
        with pytest.raises(CheckpointError, match="damaged, or no"):
            load_checkpoint(tmp_path / name)
    assert not target.exists()
    pickle.loads((tmp_path / "b").read_bytes())
    assert target.exists()  # unpickling it directly does run the command


def test_a_failed_write_keeps_the_old_checkpoint(tmp_path):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"step": 1})
    with pytest.raises(Exception, match=r"pickle|serializ|local"):
        save_checkpoint(path, {"step": 2, "bad": lambda: None})
    assert load_checkpoint(path) == {"step": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_checkpoint_of_other_settings_is_rejected_with_the_difference(tmp_path):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"step": 1}, settings={"rate": 0.1, "boundary": (1, 2), "seed": 0})
    same = {"seed": 0, "boundary": [1, 2], "rate": 0.1}
    assert load_checkpoint(path, settings=same) == {"step": 1}
    with pytest.raises(
        CheckpointError,
        match=r"other settings: rate: 0\.1 in the checkpoint, 0\.2 in this training;",
    ):
        load_checkpoint(path, settings=same | {"rate": 0.2})
