"""User-defined models: ``docs/experiment.md`` in the workflow, ``docs/library.md`` in Python."""

import importlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from hybrid_pde.data.field_conversion import from_field
from hybrid_pde.domain.grid import FieldLayout
from hybrid_pde.errors import CheckpointError, ConfigError
from hybrid_pde.factories import ModelFactory
from hybrid_pde.models import ModelRegistry, load_synthetic_model
from hybrid_pde.training.physical import PhysicalTrainer
from tests.built_once import built_once
from tests.docs.pages import DOCS, blocks, write_named_blocks
from tests.physics.domains import walled_grid
from tests.physics.periodic_box import coordinates, periodic_grid, physical_config
from tests.physics.rollouts import SPECTRAL, rate_of
from tests.workflow.snakemake_run import planned_jobs, run


@pytest.fixture(scope="module")
def example_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the page's example has been run."""

    def build(folder: Path) -> None:
        written = write_named_blocks(DOCS / "experiment.md", folder)
        assert len(written["fisher_kpp.py"].read_text().splitlines()) <= 30
        result = run(folder, "--config", "experiment=fisher.yaml")
        assert result.returncode == 0, result.stdout

    return built_once(tmp_path_factory, "own_models", build)


def test_parameters_of_a_user_equation_are_calibrated(example_folder: Path) -> None:
    text = (example_folder / "results/fisher/physical/parameters.yaml").read_text(encoding="utf-8")
    found = yaml.safe_load(text)
    assert found["status"] == "converged"
    # single-precision data, fitted with the scheme that generated them
    assert found["parameters"]["diffusivity"]["value"] == pytest.approx(0.002, rel=1e-3)
    assert found["parameters"]["growth_rate"]["value"] == pytest.approx(0.8, rel=1e-3)
    assert found["parameters"]["diffusivity"]["unit"] == "length²/time"


def test_both_user_models_are_evaluated(example_folder: Path) -> None:
    metrics = json.loads((example_folder / "results/fisher/evaluation/metrics.json").read_text())
    assert metrics["evaluated_on"]["simulations"] == [2, 3]
    assert metrics["physical"]["vrmse"] < 1e-2 < metrics["persistence"]["vrmse"]
    assert metrics["synthetic"]["diverged"] == 0


def test_user_surrogate_loads_once_its_module_is_imported(
    example_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(example_folder)
    monkeypatch.setattr(ModelRegistry, "_synthetic", dict(ModelRegistry._synthetic))
    with pytest.raises(CheckpointError, match="import that file first"):
        load_synthetic_model(example_folder / "results/synthetic_model.pt")
    importlib.import_module("small_cnn")
    model = load_synthetic_model(example_folder / "results/synthetic_model.pt")
    assert type(model).__name__ == "SmallCNN"
    assert model.rollout(torch.rand(1, 1, 16, 16), 3).shape == (1, 3, 1, 16, 16)


def test_editing_a_user_surrogate_reruns_its_training(example_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(example_folder, copy, copy_function=shutil.copy2)
    text = (copy / "small_cnn.py").read_text(encoding="utf-8")
    (copy / "small_cnn.py").write_text(text.replace("nn.GELU()", "nn.Tanh()"), encoding="utf-8")
    target = ("results/synthetic_model.pt", "--config", "experiment=fisher.yaml")
    jobs = planned_jobs(copy, *target)
    assert set(jobs) == {"train_synthetic", "evaluate", "report", "synthetic_model"}


def test_user_equation_with_a_poisson_solve_has_the_right_growth(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Small waves on a uniform density n₀ grow at the rate χ n₀ − D k²."""
    monkeypatch.setattr(ModelRegistry, "_physical", dict(ModelRegistry._physical))
    (code,) = (block for block in blocks(DOCS / "experiment.md", "python") if "chemotaxis" in block)
    names: dict[str, Any] = {}
    exec(compile(code, "experiment.md", "exec"), names)
    config = physical_config("Chemotaxis", {"diffusivity": 0.01, "sensitivity": 3.0})
    model = names["Chemotaxis"](config)
    model.discretization = SPECTRAL
    grid = periodic_grid((16, 12), (0.7, 1.3))
    k = 2 * torch.pi / 0.7
    wave = 1e-6 * torch.cos(k * coordinates(grid)[0])
    rate = rate_of(model, {"n": 2.0 + wave[None]}, grid)["n"][0]
    torch.testing.assert_close(rate, (3.0 * 2.0 - 0.01 * k**2) * wave, rtol=0, atol=1e-10)
    *_, last = model.rollout(2.0 + 1e5 * wave[None], grid, 1, 0.1)
    assert model.substeps_used > 1
    assert float(last.mean()) == pytest.approx(2.0)
    with pytest.raises(ConfigError, match="Chemotaxis: it needs 'periodic'"):
        model.rollout(torch.ones(1, 12, 12), walled_grid((12, 12), (0.7, 1.3)), 1, 0.1)


def test_user_equation_between_walls_is_calibrated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written = write_named_blocks(DOCS / "library.md", tmp_path)
    assert len(written["two_species.py"].read_text(encoding="utf-8").splitlines()) <= 30
    monkeypatch.setattr(ModelRegistry, "_physical", dict(ModelRegistry._physical))
    shown = blocks(DOCS / "library.md", "python")
    equation = next(i for i, block in enumerate(shown) if "# two_species.py" in block)
    names = {"torch": torch, "ModelFactory": ModelFactory, "PhysicalTrainer": PhysicalTrainer}
    for block in shown[equation : equation + 2]:
        exec(compile(block, "library.md", "exec"), names)
    grid, frames = names["grid"], names["frames"]
    assert grid.boundary == ((1.0, 0.0),)
    # The walls keep their values, and the species are consumed in their stoichiometric ratio.
    last = {name: from_field(frames[name][-1], grid, FieldLayout(name))[0] for name in "ab"}
    for values in last.values():
        assert (values[0], values[-1]) == (1.0, 0.0)
    assert float(last["a"].mean()) < 0.45
    value, std, unit = capsys.readouterr().out.split()
    # Single-precision data, fitted with the scheme that generated them.
    assert float(value) == pytest.approx(3.0, rel=1e-4)
    assert float(std) < 1e-3
    assert unit == "1/time"
