"""The examples of ``docs/surrogates.md`` are valid, and the user-defined network learns."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from hybrid_pde.config import load_experiment, parse_experiment
from hybrid_pde.config.discovery import architecture_options
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.models import ModelRegistry, load_synthetic_model
from hybrid_pde.models.surrogate_file import save_synthetic_model
from hybrid_pde.models.user_models import check_own_models
from tests.docs.pages import DOCS, blocks, codes, rows, write_named_blocks

PAGE = DOCS / "surrogates.md"
GRID = Grid(("x",), (32,), (0.0,), (1.0,), (("periodic", "periodic"),), (False,))
PHYSICAL = {"learnable_parameters": [{"name": "viscosity", "initial_guess": 0.02}]}


@pytest.fixture(autouse=True)
def registry_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the models registered by the page after each test."""
    assert ModelRegistry.synthetic_names()
    monkeypatch.setattr(ModelRegistry, "_synthetic", dict(ModelRegistry._synthetic))


def complete_experiment(part: dict[str, Any], folder: Path) -> Path:
    """A complete experiment with the example from the page."""
    section = part["model"]["synthetic"]
    fields = list(section["output_specs"])
    training: dict[str, Any] = {"train_sim": [0]}
    if "physical" in part["model"]:
        training["physical"] = PHYSICAL
    else:  # without an equation, every input is a field
        fields = list(section["output_specs"] | section["input_specs"])
    whole = part | {"data": {"dset_name": "d", "fields": fields}, "trainer_params": training}
    path = folder / "shown.yaml"
    path.write_text(yaml.safe_dump(whole), encoding="utf-8")
    return path


def test_shown_partial_experiments_are_valid(tmp_path: Path) -> None:
    write_named_blocks(PAGE, tmp_path)
    shown = [yaml.safe_load(block) for block in blocks(PAGE, "yaml")]
    assert len(shown) == 4
    for part in shown:
        path = complete_experiment(part, tmp_path)
        experiment = parse_experiment(load_experiment(path, [f"project_root={tmp_path}"]))
        check_own_models(experiment, "shown.yaml")


def test_every_architecture_has_a_row() -> None:
    assert {codes(name)[0] for name, *_ in rows(PAGE, "`name`")} == set(architecture_options())


def test_a_user_network_learns_advection_and_is_saved(tmp_path: Path) -> None:
    write_named_blocks(PAGE, tmp_path)
    (part,) = (p for p in map(yaml.safe_load, blocks(PAGE, "yaml")) if "SpectralFilter" in str(p))
    experiment = parse_experiment(
        load_experiment(complete_experiment(part, tmp_path), [f"project_root={tmp_path}"])
    )
    model = ModelRegistry(experiment).get_synthetic_model(GRID)
    assert type(model.network).__name__ == "SpectralFilter"
    x = torch.arange(32) / 32
    shifts = torch.rand(20, 1, generator=torch.Generator().manual_seed(0))
    frames = torch.stack(
        [torch.sin(2 * torch.pi * (x - shifts - 0.02 * t)) for t in range(5)], dim=1
    ).unsqueeze(2)  # [B, T, C, X]
    model.fit_normalization([(window[0], window[1:]) for window in frames])
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    for _ in range(150):
        optimizer.zero_grad()
        loss = (model.rollout(frames[:, 0], 4) - frames[:, 1:]).square().mean()
        loss.backward()
        optimizer.step()
    persistence = (frames[:, :1] - frames[:, 1:]).square().mean()
    assert loss < 0.01 * persistence
    path = tmp_path / "model.pt"
    save_synthetic_model(path, model, experiment, GRID, [FieldLayout("u")], 0.1)
    loaded = load_synthetic_model(path)
    assert torch.equal(loaded.rollout(frames[:, 0], 4), model.rollout(frames[:, 0], 4))
