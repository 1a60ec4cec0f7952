"""Code examples of the documentation, run on the tiny default experiment."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml

from hybrid_pde.config import load_experiment, parse_experiment
from hybrid_pde.data import CacheManager, DataManager, HybridDataset
from hybrid_pde.data.atomic import sha256_of
from hybrid_pde.domain.boundary import parse_boundary
from hybrid_pde.factories import ModelFactory
from hybrid_pde.models.surrogate_file import save_synthetic_model
from hybrid_pde.stages.simulate import RawSimulations
from tests.conftest import ROOT
from tests.docs.pages import DOCS, blocks, codes, rows, write_named_blocks
from tests.workflow.snakemake_run import planned_jobs
from tests.workflow.test_rerun import merged
from tests.workflow.tiny import write_experiment

# Completes the partial experiments shown in the section on calibration.
CALIBRATION = {
    "data": {"dset_name": "shown", "fields": ["velocity"]},
    "model": {"physical": {"name": "BurgersPDE"}},
    "trainer_params": {
        "train_sim": [0],
        "physical": {"learnable_parameters": [{"name": "viscosity", "initial_guess": 0.02}]},
    },
}


@pytest.fixture(scope="module")
def simulated_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny experiment's raw files; tests must not change it."""
    folder = tmp_path_factory.mktemp("examples")
    experiment = parse_experiment(
        load_experiment(write_experiment(folder / "config/burgers_2d.yaml"))
    )
    RawSimulations(experiment, folder / "data/burgers_2d").make(range(4))
    return folder


@pytest.fixture
def working_folder(simulated_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder as the working directory."""
    folder = tmp_path / "work"
    shutil.copytree(simulated_folder, folder)
    monkeypatch.chdir(folder)
    return folder


def test_library_examples_run(working_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    shown = blocks(DOCS / "library.md", "python")
    assert len(shown) >= 8
    for number, block in enumerate(shown):
        if "TwoSpecies" not in block:  # run in test_user_models.py
            exec(compile(block, f"library.md, block {number + 1}", "exec"), names)
    printed = capsys.readouterr().out
    assert "converged 0.0" in printed
    assert "torch.Size([1, 5, 2, 16, 12])" in printed
    assert (working_folder / "results/my_checkpoint.pt").is_file()
    generated = CacheManager(working_folder / "results/my_generated")
    assert generated.indices() == [0, 1, 2]
    drawn = generated.header(0).source["initial_condition"]
    assert (drawn["type"], drawn["length_scale"]) == ("gaussian_random_field", 0.3)


def test_readme_example_runs(working_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = load_experiment("burgers_2d")
    manager = DataManager("data/burgers_2d", "data/cache", config)
    surrogate = ModelFactory.create_synthetic_model(config)  # untrained: a rollout suffices
    windows = HybridDataset(manager, [0], ["velocity"], num_predict_steps=1)
    surrogate.fit_normalization(windows)
    experiment = parse_experiment(config)
    path = working_folder / "results/synthetic_model.pt"
    path.parent.mkdir()
    save_synthetic_model(path, surrogate, experiment, manager.grid, manager.layouts, manager.dt)
    (block,) = blocks(ROOT / "README.md", "python")
    exec(compile(block, "README.md", "exec"), {})
    estimate, shape = capsys.readouterr().out.splitlines()
    # single-precision data, fitted with the scheme that generated them
    truth = config["generation_params"]["parameters"]["viscosity"]
    assert float(estimate.removeprefix("viscosity")) == pytest.approx(truth, rel=1e-4)
    assert shape.endswith("20, 2, 16, 12])")


def test_a_cached_simulation_is_read_with_safetensors_alone(
    working_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manager = DataManager("data/burgers_2d", "data/cache", load_experiment("burgers_2d"))
    path = manager.ensure(0)
    (block,) = blocks(DOCS / "data.md", "python")
    assert len(block.splitlines()) <= 10
    names: dict[str, object] = {}
    exec(compile(block, "data.md", "exec"), names)
    assert capsys.readouterr().out == "0.01 ['x', 'y'] (9, 2, 16, 12)\n"
    header = names["header"]
    assert isinstance(header, dict)
    assert list(header) == [codes(key)[0] for key, _ in rows(DOCS / "data.md", "Key")]
    raw = Path("data/burgers_2d/sim_000000.nc")
    expected = {"file": raw.name, "sha256": sha256_of(raw), "sample": 0}
    assert header["source"].items() >= expected.items()
    check_bytes(path, names["velocity"])


def check_bytes(path: Path, velocity: object) -> None:
    """Check the file layout of ``docs/data.md`` byte by byte, without any library."""
    content = path.read_bytes()
    begin = 8 + int.from_bytes(content[:8], "little")
    assert begin % 64 == 0
    assert json.loads(content[8:begin].decode("ascii"))["velocity"]["data_offsets"][0] == 0
    values = np.frombuffer(content[begin:], "<f4").reshape(9, 2, 16, 12)
    np.testing.assert_array_equal(values, velocity)
    with xr.open_dataset("data/burgers_2d/sim_000000.nc") as raw:
        expected = raw.velocity.transpose("time", "component", "x", "y").values
    np.testing.assert_array_equal(values, expected)


def test_boundary_example_is_valid() -> None:
    (block,) = (
        text for text in blocks(DOCS / "data.md", "yaml") if "boundary:" in text and "data:" in text
    )
    boundary = parse_boundary(yaml.safe_load(block)["data"]["boundary"], ("x", "y"))
    assert boundary == (("periodic", "periodic"), (1.0, "zero-gradient"))


def test_minimal_experiment_plans_every_stage(tmp_path: Path) -> None:
    path = write_named_blocks(DOCS / "experiment.md", tmp_path)["config/ensemble.yaml"]
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 16
    path.write_text(text.replace("/path/to/simulations", str(tmp_path / "simulations")))
    folder = tmp_path / "simulations/ensemble"
    folder.mkdir(parents=True)
    x = (np.arange(16) + 0.5) / 16
    for number in range(6):
        values = np.random.default_rng(number).normal(size=(2, 20, 16, 16))
        dims = ("time", "y", "x")
        coordinates = {"time": np.arange(20) * 0.1, "x": x, "y": x}
        dataset = xr.Dataset({"u": (dims, values[0]), "v": (dims, values[1])}, coordinates)
        dataset.to_netcdf(folder / f"run_{number}.nc")
    jobs = planned_jobs(tmp_path, "results/ensemble/report.html", "--config", f"experiment={path}")
    assert set(jobs) == {
        "cache", "train_physical", "augment", "train_synthetic", "evaluate", "report",
    }  # fmt: skip
    assert jobs["augment"] == 2, "64 simulations in shards of 50"


@pytest.mark.parametrize("page", [ROOT / "README.md", DOCS / "experiment.md"], ids=lambda p: p.name)
def test_shown_experiments_are_valid(tmp_path: Path, page: Path) -> None:
    write_named_blocks(page, tmp_path)
    shown = [block for block in blocks(page, "yaml") if "dset_name:" in block]
    assert shown
    for number, block in enumerate(shown):
        path = tmp_path / f"shown_{number}.yaml"
        path.write_text(block, encoding="utf-8")
        experiment = parse_experiment(load_experiment(path, [f"project_root={tmp_path}"]))
        assert experiment.run_params.model_type == "hybrid"


def test_shown_partial_experiments_are_valid(tmp_path: Path) -> None:
    (tmp_path / "measurements").mkdir()
    (tmp_path / "measurements/buoys.nc").touch()
    shown = [block for block in blocks(DOCS / "experiment.md", "yaml") if "dset_name" not in block]
    assert len(shown) >= 10
    for number, block in enumerate(shown):
        part = yaml.safe_load(block)
        path = tmp_path / f"part_{number}.yaml"
        path.write_text(yaml.safe_dump(merged(CALIBRATION, part)), encoding="utf-8")
        experiment = parse_experiment(load_experiment(path, [f"project_root={tmp_path}"]))
        assert experiment.model.physical is not None, "every key of the example is known"


def test_shipped_experiment_that_the_page_points_to_is_generated() -> None:
    mapping = load_experiment(ROOT / "config/burgers_2d.yaml")
    assert mapping["generation_params"] is not None
