"""The tiny default experiment from raw files to the report, and a second call."""

import json
import shutil
import time
from pathlib import Path

import pytest
import torch
import xarray as xr
import yaml

from hybrid_pde.data.cache.cache_header import read_header
from hybrid_pde.models import load_synthetic_model
from tests.workflow.snakemake_run import TARGET, planned_jobs, run

RESULTS = Path("results/burgers_2d")
EVERYTHING = {
    "simulate",
    "cache",
    "train_physical",
    "augment",
    "train_synthetic",
    "evaluate",
    "report",
    "synthetic_model",
}


def test_all_outputs_are_there(finished: Path) -> None:
    expected = [
        "physical/parameters.yaml",
        "physical/history.csv",
        "synthetic/history.csv",
        "synthetic_model.pt",
        "evaluation/metrics.json",
        "evaluation/error_curves.png",
        "evaluation/prediction.png",
        "evaluation/animation.gif",
        "evaluation/rollouts.nc",
        "evaluation/frames.json",
        "evaluation/error_curves.svg",
        "evaluation/error_curves.pdf",
        "physical/residuals.json",
        "report.html",
        "experiment.yaml",
    ]
    sizes = {name: (finished / RESULTS / name).stat().st_size for name in expected}
    assert min(sizes.values()) > 50, sizes


def test_snakemakes_own_report_has_figures_with_captions(finished: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = run(finished, TARGET, "--report", str(page))
    assert done.returncode == 0, done.stdout
    text = page.read_text(encoding="utf-8")
    for part in ("Error of each model against lead time", "error_curves.png", '"Evaluation"'):
        assert part in text, part


def test_default_target_is_a_copy(finished: Path) -> None:
    assert (finished / TARGET).read_bytes() == (
        finished / RESULTS / "synthetic_model.pt"
    ).read_bytes()


def test_synthetic_model_is_self_contained(finished: Path) -> None:
    content = torch.load(finished / TARGET, weights_only=True)
    assert {"weights", "config", "layouts", "versions"} <= set(content)
    model = load_synthetic_model(finished / TARGET)
    start = torch.randn(2, 2, 16, 12)
    assert model.rollout(start, 3).shape == (2, 3, 2, 16, 12)


def test_viscosity_is_recovered_from_twice_the_value(finished: Path) -> None:
    written = yaml.safe_load((finished / RESULTS / "physical/parameters.yaml").read_text())
    viscosity = written["parameters"]["viscosity"]
    assert written["status"] == "converged"
    assert viscosity["initial_guess"] == 0.02
    assert abs(viscosity["value"] / 0.01 - 1) < 0.005
    assert 0 < viscosity["std"] < 1e-4
    assert set(viscosity) >= {"value", "std", "initial_guess", "bounds", "unit"}


def test_metrics_have_the_documented_form(finished: Path) -> None:
    metrics = json.loads((finished / RESULTS / "evaluation/metrics.json").read_text())
    assert metrics["evaluated_on"]["simulations"] == [3]
    for name in ("synthetic", "physical", "persistence"):
        assert set(metrics[name]) >= {"vrmse", "nrmse", "relative_l2", "by_lead_time", "by_field"}
        assert len(metrics[name]["by_lead_time"]["vrmse"]) == 6, "lead time 0 is not included"
        assert metrics[name]["by_field"]["velocity"]["vrmse"] == metrics[name]["vrmse"]
    assert metrics["physical"]["vrmse"] < 1e-3 < metrics["persistence"]["vrmse"]


def test_rollouts_open_in_xarray(finished: Path) -> None:
    with xr.open_dataset(finished / RESULTS / "evaluation/rollouts.nc") as rollouts:
        assert {"time", "sample", "x", "y"} <= set(rollouts.sizes)
        assert "velocity_x_truth" in rollouts


def test_cache_and_generated_simulations_have_the_same_format(finished: Path) -> None:
    cached = read_header(finished / "data/cache/burgers_2d/sim_000000.safetensors")
    generated = read_header(finished / RESULTS / "augmented/sim_000000.safetensors")
    assert cached.grid == generated.grid
    assert cached.layouts == generated.layouts
    assert generated.source["parameters"]["viscosity"] != 0.02


def test_manifests_list_files_and_digests(finished: Path) -> None:
    for manifest in (
        finished / "data/burgers_2d/simulated_000000-000003.json",
        finished / "data/cache/burgers_2d/cached_000000-000003.json",
        finished / RESULTS / "augmented/generated_000000-000002.json",
    ):
        listed = json.loads(manifest.read_text())
        assert len(listed["files"]) == len(listed["simulations"])
        assert all(len(digest) == 64 for digest in listed["files"].values())


def test_report_is_self_contained(finished: Path) -> None:
    page = (finished / RESULTS / "report.html").read_text(encoding="utf-8")
    assert "viscosity" in page
    assert page.count("data:image/png;base64") >= 3
    assert page.count("<script") == 1 and "<script src" not in page  # that of the slider
    assert 'src="http' not in page


def test_no_checkpoint_is_left(finished: Path) -> None:
    assert not list((finished / RESULTS / "checkpoints").glob("*/*"))


def test_second_run_does_nothing_and_says_so(finished: Path) -> None:
    start = time.monotonic()
    result = run(finished, TARGET)
    seconds = time.monotonic() - start
    assert result.returncode == 0
    assert "Nothing to be done" in result.stdout
    assert seconds < 20, "5 s on an idle machine; other tests run in parallel"


def test_first_run_plans_every_stage_once(tmp_path: Path, finished: Path) -> None:
    (tmp_path / "config").mkdir()
    text = (finished / "config/burgers_2d.yaml").read_text()
    (tmp_path / "config/burgers_2d.yaml").write_text(text)
    assert planned_jobs(tmp_path) == dict.fromkeys(EVERYTHING, 1)
    assert not (tmp_path / "data").exists(), "a dry run writes nothing"


def test_logs_and_benchmarks_are_kept(finished: Path) -> None:
    for stage in ("train_physical", "train_synthetic", "evaluate", "report"):
        assert (finished / RESULTS / f"logs/{stage}.log").is_file()
        assert (finished / RESULTS / f"benchmarks/{stage}.tsv").is_file()


def test_the_written_experiment_is_the_one_that_was_run(finished: Path) -> None:
    chosen = ("--config", f"experiment={RESULTS}/experiment.yaml")
    assert planned_jobs(finished, TARGET, *chosen) == {}


@pytest.mark.nightly
def test_the_written_experiment_repeats_the_calibration(finished: Path, tmp_path: Path) -> None:
    shutil.copy(finished / RESULTS / "experiment.yaml", tmp_path / "again.yaml")
    parameters = RESULTS / "physical/parameters.yaml"
    done = run(tmp_path, str(parameters), "--config", "experiment=again.yaml")
    assert done.returncode == 0, done.stdout
    assert (tmp_path / parameters).read_bytes() == (finished / parameters).read_bytes()
