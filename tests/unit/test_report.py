"""HTML report: numbers, sentences, escaping, no external resources."""

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from hybrid_pde.evaluation.evaluation_warnings import evaluation_warnings, timing_warnings
from hybrid_pde.evaluation.report.cycle_table import read_cycles
from hybrid_pde.evaluation.report.html_report import (
    SCRIPT,
    TEMPLATES,
    ReportInputs,
    render_report,
    report_of_folder,
    write_report,
)
from hybrid_pde.evaluation.report.origin import origin_of
from hybrid_pde.evaluation.rollout_evaluation import write_metrics

EXPERIMENT = {
    "run_params": {"experiment_name": "burgers_2d", "model_type": "hybrid"},
    "data": {"dset_name": "burgers_64", "fields": ["velocity"]},
    "generation_params": {"parameters": {"viscosity": 0.01}},
    "model": {
        "physical": {"name": "BurgersPDE"},
        "synthetic": {
            "name": "UNet", "input_specs": {"velocity": 2}, "output_specs": {"velocity": 2},
        },
    },
    "trainer_params": {"train_sim": [0, 1, 2], "val_sim": [3], "test_sim": [4, 5]},
    "augmentation": {"num_simulations": 12},
}  # fmt: skip
PARAMETERS: dict[str, Any] = {
    "parameters": {
        "viscosity": {
            "value": 0.010012, "std": 3.4e-5, "initial_guess": 0.02, "bounds": [1e-5, None],
            "unit": "length²/time", "discretization_error": 1.2e-6, "determined": True,
        }
    },
    "status": "converged", "loss": 1e-5, "iterations": 6,
    "numerics": {
        "scheme": "spectral", "order": None, "time_stepping": "runge-kutta-4", "substeps": 2,
        "precision": "double", "grid": {"axes": ["x"]},
        "candidates": [
            {"scheme": "spectral", "order": None, "loss": 1e-5, "parameters": {"viscosity": 0.01}},
            {"scheme": "finite_difference", "order": 4, "loss": None},
        ],
    },
}  # fmt: skip
SYNTHETIC_HISTORY = {
    "epoch": [1.0, 2.0], "train_loss": [0.5, 0.25], "val_vrmse": [0.4, 0.3], "seconds": [2.0, 1.5],
}  # fmt: skip


def _errors(vrmse: float | None, diverged: dict[str, int] | None = None) -> dict[str, Any]:
    value = {"vrmse": vrmse, "nrmse": vrmse, "relative_l2": vrmse}
    return {
        **value,
        "by_lead_time": {name: [error, error] for name, error in value.items()},
        "by_field": {"velocity": value},
        "skipped": {"vrmse": 0, "nrmse": 0, "relative_l2": 0},
        "diverged": len(diverged or {}),
        "diverged_at": diverged or {},
    }


def _metrics(split: str = "test", **errors: Any) -> dict[str, Any]:
    described = {"simulations": [4, 5], "split": split, "dt": 0.02, "num_steps": 2}
    metrics = {**errors, "persistence": _errors(1.5), "evaluated_on": described}
    return {**metrics, "warnings": evaluation_warnings(metrics)}


class _Page(HTMLParser):
    """The page's text without tags, and every address it refers to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self.feed(page)
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href"}]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def _page(**inputs: Any) -> _Page:
    return _Page(render_report(ReportInputs(**{"experiment": EXPERIMENT, **inputs})))


def test_generated_simulations_that_diverged_are_counted() -> None:
    text = _page(metrics=_metrics(synthetic=_errors(0.05)), generated=9).text
    assert "and 9 generated simulations (3 more diverged and were left out)." in text


def test_generated_simulations_are_counted_in_the_folder(tmp_path: Path) -> None:
    generated = tmp_path / "augmented"
    generated.mkdir()
    for index in (*range(10), 12):  # 10 of 12, and one left from an earlier, larger number
        (generated / f"sim_{index:06d}.safetensors").touch()
    report_of_folder(tmp_path / "report.html", tmp_path, EXPERIMENT)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "and 10 generated simulations (2 more diverged and were left out)." in page


def test_a_hybrid_report_contains_the_key_numbers() -> None:
    metrics = _metrics(synthetic=_errors(0.05), physical=_errors(0.003))
    text = _page(metrics=metrics, parameters=PARAMETERS, synthetic_history=SYNTHETIC_HISTORY).text
    assert "BurgersPDE (u_t + a (u·∇)u = ν ∇²u − ∇φ) calibrated on 3 simulations of" in text
    assert "UNet trained on 3 simulations and 12 generated simulations" in text
    assert "0.010012 ± 0.000034" in text
    assert "generated with 0.01; 0.12 % error" in text
    assert "30 × better than persistence" in text and "500 × better than persistence" in text
    assert "1 × 10⁻⁵ … ∞" in text
    assert "Asked: the viscosity of BurgersPDE" not in text  # this experiment names none to learn
    assert "On 2 test simulations and 2 steps, the synthetic model has a VRMSE of 0.05" in text
    assert "Errors on test simulations" in text
    assert "0.3 in epoch 2" in text and "3.5 s" in text
    assert "Numerics spectral, runge-kutta-4, 2 steps per frame, double precision" in text
    assert "spectral 1 × 10⁻⁵ viscosity 0.01 finite difference, order 4 diverged" in text
    assert "1.2 × 10⁻⁶" in text  # the discretization error
    assert "num_simulations: 12" in text  # the settings
    assert "diverged (" not in text and "no test simulations" not in text


def test_the_sources_of_the_uncertainty_are_shown() -> None:
    sources = {"noise": 3e-5, "scheme": None, "discretization": 4e-5, "precision": 0.0}
    more = {
        "uncertainty": 5e-5,
        "interval_90": [0.00993, 0.010094],
        "uncertainty_parts": {**sources, "initial_state": 0.0},
    }
    viscosity = {**PARAMETERS["parameters"]["viscosity"], **more}
    inputs = ReportInputs(EXPERIMENT, parameters={**PARAMETERS, "parameters": {"nu": viscosity}})
    page = render_report(inputs)
    assert "0.010012 ± 0.000050" in page and "0.00993 … 0.01009" in page
    assert '<rect x="0.0" width="36.0"' in page and '<rect x="36.0" width="64.0"' in page


def test_synthetic_and_physical_experiments_report_what_they_have() -> None:
    synthetic = {**EXPERIMENT, "run_params": {"experiment_name": "s", "model_type": "synthetic"}}
    text = _page(experiment=synthetic, metrics=_metrics(synthetic=_errors(0.05))).text
    assert "UNet trained on 3 simulations of burgers_64." in text
    assert "Calibrated parameters" not in text and "Physical model" not in text
    physical = {**EXPERIMENT, "run_params": {"experiment_name": "p", "model_type": "physical"}}
    text = _page(experiment=physical, parameters=PARAMETERS).text
    assert "Calibrated parameters" in text
    assert "Synthetic model" not in text and "Errors on" not in text
    assert "Training of the synthetic model" not in text


def test_warnings_of_all_stages_stand_at_the_top_each_once() -> None:
    read = "cache: simulation 0: 3 values are missing"
    parameters = {**PARAMETERS, "warnings": [read, "viscosity depends on <the> grid"]}
    metrics = {
        **_metrics(synthetic=_errors(0.05)),
        "warnings": [read, "train_synthetic: cut: short", "augment: one left out", "worse"],
    }
    page = _page(parameters=parameters, metrics=metrics, timing={"warnings": ["slow"]}).text
    top = page.partition("Warnings ")[2].partition(" viscosity 0.010012")[0]
    expected = (
        "cache simulation 0: 3 values are missing train_physical viscosity depends on <the> grid "
        "augment one left out train_synthetic cut: short evaluate worse evaluate slow"
    )
    assert top.strip() == expected
    assert "No stage has warned about the results." in _page(parameters=PARAMETERS).text


def test_every_limitation_is_reported() -> None:
    metrics = _metrics("validation", synthetic=_errors(None, {"4": 7}), physical=_errors(2.0))
    metrics["physical"]["skipped"]["vrmse"] = 3
    undetermined = {"value": None, "std": None, "unit": "1", "determined": False}
    parameters = {
        **PARAMETERS,
        "parameters": {**PARAMETERS["parameters"], "advection": undetermined},
        "status": "max_iterations",
    }
    metrics["warnings"] = evaluation_warnings(metrics)
    text = _page(metrics=metrics, parameters=parameters).text
    assert "not determined" in text
    assert "There are no test simulations" in text
    assert "Errors on validation simulations" in text
    assert "Synthetic model: diverged (simulation 4 at step 7)" in text
    assert "∞ VRMSE diverged in 1 simulation" in text
    assert "1.33 × worse than persistence" in text
    assert "excludes 3 frames in which the truth is uniform" in text
    assert "say nothing about unseen data" in _page(metrics=_metrics("train")).text


def test_a_vector_parameter_has_one_row_per_component() -> None:
    velocity = {
        "value": [1.0, -0.5], "std": [0.01, 0.02], "initial_guess": 0.0, "bounds": [-2.0, 2.0],
        "unit": "length/time",
    }  # fmt: skip
    text = _page(parameters={"parameters": {"velocity": velocity}, "status": "converged"}).text
    assert "velocity x 1.000 ± 0.010 0 length/time" in text
    assert "velocity y −0.500 ± 0.020 0 length/time" in text  # with the guess
    assert "velocity y −2 … 2" in text  # bounds
    assert "Discretization error" not in text  # no such warning


def test_the_page_is_self_contained_and_escapes_its_input(tmp_path: Path) -> None:
    experiment = {**EXPERIMENT, "data": {"dset_name": "a & b", "fields": ["u"]}}
    viscosity = {**PARAMETERS["parameters"]["viscosity"], "unit": "<script>alert(1)<b>"}
    path = tmp_path / "report.html"
    inputs = ReportInputs(
        experiment,
        metrics=_metrics(),
        parameters={**PARAMETERS, "parameters": {"viscosity": viscosity}},
        origin=origin_of(tmp_path),
    )
    write_report(path, inputs)
    page = _Page(path.read_text(encoding="utf-8"))
    assert page.addresses == []
    assert not {"link", "iframe", "b"} & set(page.tags)
    assert page.tags.count("script") == 1  # the slider's, which the policy names by its digest
    policy = re.search(r"script-src '(sha256-[^']+)'", path.read_text(encoding="utf-8"))
    script = (TEMPLATES / SCRIPT).read_bytes()
    assert policy and policy[1] == f"sha256-{b64encode(sha256(script).digest()).decode()}"
    assert "<script>alert(1)<b>" in page.text
    assert "a & b" in page.text
    assert "torch" in page.text.split("Provenance")[1]
    assert [item.name for item in tmp_path.iterdir()] == ["report.html"]


def test_what_the_residuals_say_stands_above_their_maps() -> None:
    said = "the residual of u follows ∂u/∂x (correlation 0.96): advection may be missing"
    drawn = {"parameters": PARAMETERS, "drawings": {"residual_rms": "<svg></svg>"}}
    assert f"Residuals T{said[1:]}." in _page(**drawn, residual_sentences=[said]).text
    assert "correlation 0.96" not in _page(**drawn).text


def test_a_partial_folder_of_results_is_reported(tmp_path: Path) -> None:
    results = tmp_path / "results"
    for stage in ("physical", "synthetic", "evaluation"):
        (results / stage).mkdir(parents=True)
    (results / "physical" / "parameters.yaml").write_text(yaml.safe_dump(PARAMETERS))
    (results / "physical" / "history.csv").write_text(
        "iteration,loss,viscosity\n0,1,0.02\n1,.1,.01\n"
    )
    metrics = _metrics(synthetic=_errors(0.05), physical=_errors(0.003))
    write_metrics(results / "evaluation" / "metrics.json", metrics)
    report_of_folder(results / "report.html", results, EXPERIMENT)
    page = _Page((results / "report.html").read_text(encoding="utf-8"))
    assert "svg" in page.tags  # convergence
    drawn = sorted(path.name for path in (results / "evaluation").glob("convergence_*"))
    assert drawn == [f"convergence_{n}.{kind}" for n in ("1", "loss") for kind in ("pdf", "svg")]
    assert "0.010012 ± 0.000034" in page.text and "30 × better than persistence" in page.text
    assert "Training of the synthetic model" not in page.text
    assert "Time per step" not in page.text
    (results / "evaluation" / "timing.json").write_text('{"synthetic": 0.002, "physical": 0.05}')
    (results / "synthetic" / "history.csv").write_text(
        "epoch,train_loss,val_vrmse\n1,.5,\n2,.2,.1\n"
    )
    report_of_folder(results / "report.html", results, EXPERIMENT)
    page = _Page((results / "report.html").read_text(encoding="utf-8"))
    assert "0.1 in epoch 2" in page.text
    assert "2 ms" in page.text and "50 ms" in page.text
    assert "In a batch" not in page.text and "Hybrid cycles" not in page.text
    assert (results / "evaluation" / "training.png").is_file()


def _diagnosed(vrmse: float, correlation_time: float, capped: float, **more: Any) -> dict[str, Any]:
    drifts = {"integral": {"drift": 0.0078}, "mean_square": {"drift": 0.0056}}
    return {
        **_errors(vrmse),
        "spectral_error": {"low": 0.012, "mid": 0.34, "high": None},
        "correlation_time": correlation_time,
        "correlation_time_capped": capped,
        "conserved": {"velocity": drifts},
        **more,
    }


def _long(finite: bool, limited: bool = False) -> dict[str, Any]:
    growth = 1.25 if finite else None
    return {
        "steps": 200, "finite": finite, "lasted": 200 if finite else 17, "growth": growth,
        "limited": limited,
    }  # fmt: skip


def test_scales_correlation_drift_and_long_rollouts_are_reported() -> None:
    metrics = _metrics(
        synthetic=_diagnosed(0.05, 0.31, 0.0, long_rollout=_long(False)),
        physical=_diagnosed(0.003, 0.4, 1.0, long_rollout=_long(True, limited=True)),
    )
    metrics["persistence"] = _diagnosed(1.5, 0.1, 0.0)
    kept = {"velocity": {"integral": 1e-6, "mean_square": 1e-4}}
    metrics["evaluated_on"]["conserved"] = kept
    metrics["warnings"] = evaluation_warnings(metrics)
    text = _page(metrics=metrics).text
    assert "Synthetic model 0.012 0.34 – 0.31 0.0078 diverged after 17 of 200 steps" in text
    assert "Physical model 0.012 0.34 – ≥ 0.4 0.0078 × 1.25" in text
    assert "Persistence 0.012 0.34 – 0.1 0.0078 –" in text
    assert "The truth conserves the integral of velocity, the mean square of velocity" in text
    assert "Synthetic model: long rollouts diverge after 17 of 200 steps" in text
    assert (
        "Long rollouts are limited to 200 steps, since known parameters that change in time" in text
    )


def test_without_conserved_quantities_there_is_no_drift_column() -> None:
    metrics = _metrics(physical={**_diagnosed(0.003, 0.4, 1.0), "conserved": {}})
    text = _page(metrics=metrics).text
    assert "Spectral error, low k" in text
    assert "Drift" not in text and "The truth conserves" not in text and "Growth" not in text


def test_speed_and_replicates_are_reported() -> None:
    replicates = {"count": 3, "vrmse": {"mean": 0.05, "std": 0.0042, "values": [0.05] * 3}}
    metrics = _metrics(synthetic={**_errors(0.05), "replicates": replicates})
    timing = {
        "synthetic": 0.002, "physical": 0.05,
        "batch": {"simulations": 8, "synthetic": 0.001, "physical": 0.0005},
        "speedup": {"one": 25.0, "batch": 0.5},
    }  # fmt: skip
    text = _page(metrics=metrics, timing=timing).text
    assert "Synthetic model 0.05 ± 0.0042 0.05" in text
    assert "are means over 3 trainings with different seeds" in text
    assert "In a batch of 8, a step takes 1 ms for the synthetic model and 500 µs" in text
    assert "is 25 × faster for one simulation and 2 × slower in the batch." in text
    assert "trainings with" not in _page(metrics=_metrics(synthetic=_errors(0.05))).text


def test_poor_models_are_warned_of() -> None:
    poor = _errors(2.0) | {
        "spectral_error": {"low": 0.02, "mid": 0.51, "high": 2.8},
        "energy_share": {"low": 0.95, "mid": 0.05, "high": 3.14e-4},
    }
    good = _errors(0.1) | {"spectral_error": {"low": 0.02, "mid": 0.3, "high": None}}
    found = evaluation_warnings(_metrics(synthetic=poor, physical=good))
    assert len(found) == 2
    assert "Synthetic model: worse than persistence: its VRMSE is 1.33 times that of" in found[0]
    assert "(mid wavenumbers 51 % off on average, with 5 % of the energy; high " in found[1]
    assert "wavenumbers 280 % off on average, with 0.031 % of the energy)" in found[1]
    poor["energy_share"]["high"] = 1e-6  # of all energy, less than anybody sees
    assert "mid wavenumbers" in (text := evaluation_warnings(_metrics(synthetic=poor))[1])
    assert "high wavenumbers" not in text
    assert not timing_warnings({"speedup": {"one": 0.96, "batch": 8.0}})
    assert not timing_warnings({"synthetic": 0.1})
    errors = {"synthetic": {"vrmse": 0.02}, "physical": {"vrmse": 0.001}}
    (worse,) = timing_warnings({"speedup": {"one": 0.25, "batch": 8.0}}, errors)
    assert "no more accurate (VRMSE 0.02, physical model 0.001). Use" in worse
    (slow,) = timing_warnings({"speedup": {"one": 0.25, "batch": 8.0}})
    assert "it is 4 × slower for one simulation than the physical model" in slow


@pytest.mark.parametrize(("seconds", "vrmse", "warns"), [(1e-3, 0.01, True), (1e-3, 0.03, False)])
def test_a_surrogate_slower_than_a_coarse_solver_as_accurate_is_warned_of(seconds, vrmse, warns):
    points = [
        {"model": "synthetic", "shape": [64], "vrmse": 0.02, "seconds": 4e-3},
        {"model": "physical", "shape": [64], "vrmse": 0.001, "seconds": 8e-3},
        {"model": "physical", "shape": [32], "vrmse": vrmse, "seconds": seconds},
    ]
    found = timing_warnings({"speedup": {"one": 2.0, "batch": 2.0}, "cost": points})
    assert bool(found) == warns
    if found:
        assert "4 × slower than the physical model on 32 points, which is as accurate" in found[0]


def test_hybrid_cycles_are_compared(tmp_path: Path) -> None:
    for cycle, value in ((1, 0.0123), (2, 0.0101)):
        folder = tmp_path / f"cycle_{cycle:02d}"
        (folder / "physical").mkdir(parents=True)
        (folder / "synthetic").mkdir()
        viscosity = {**PARAMETERS["parameters"]["viscosity"], "value": value, "std": 1e-4}
        content = {**PARAMETERS, "parameters": {"viscosity": viscosity}, "reverted": cycle == 2}
        (folder / "physical/parameters.yaml").write_text(yaml.safe_dump(content))
        (folder / "synthetic/history.csv").write_text(
            f"epoch,train_loss,val_vrmse\n1,.5,{0.3 / cycle}\n2,.2,{0.9 / cycle}\n3,.2,\n"
        )
    report_of_folder(tmp_path / "report.html", tmp_path, EXPERIMENT)
    text = _Page((tmp_path / "report.html").read_text(encoding="utf-8")).text
    assert "Cycle viscosity Validation VRMSE" in text
    assert "1 0.01230 ± 0.00010 0.3" in text
    assert "2 (parameters of the previous cycle kept) 0.01010 ± 0.00010 0.15" in text
    assert "Hybrid cycles" not in _page(cycles=read_cycles(tmp_path)[:1]).text


def test_profiles_are_drawn(tmp_path: Path) -> None:
    profile = {
        "values": [0.01, 0.02, 0.03], "increases": [3.0, 0.0, 2.0], "threshold": 2.7055,
        "open": {"upper": "bound"},
    }  # fmt: skip
    found = {
        "value": 0.02, "std": 0.01, "initial_guess": 0.1, "bounds": [None, None], "unit": "m",
        "determined": True, "discretization_error": None, "uncertainty": 0.01,
        "interval_90": [0.01, None], "uncertainty_parts": {"noise": 0.01},
    }  # fmt: skip
    content = {
        "parameters": {"viscosity": found}, "profiles": {"viscosity": profile},
        "status": "converged", "loss": 0.1, "iterations": 3, "numerics": {}, "warnings": [],
    }  # fmt: skip
    (tmp_path / "physical").mkdir()
    (tmp_path / "physical" / "parameters.yaml").write_text(yaml.safe_dump(content))
    (tmp_path / "evaluation").mkdir()
    report_of_folder(tmp_path / "report.html", tmp_path, EXPERIMENT)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Profile likelihood: increase of the smallest misfit" in page and "above 0.01" in page
    assert (tmp_path / "evaluation" / "profile_1.svg").stat().st_size > 1000
