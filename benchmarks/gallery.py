"""Runs the experiments of the gallery and writes its page: ``python -m benchmarks.gallery``.

``--keep`` takes the results that are in ``results/``; names run and draw these experiments alone.
Times are CPU times of the stages' programs, on the machine that is named in ``gallery.json``.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
import yaml
from scipy.optimize import least_squares
from scipy.special import exp1

from benchmarks.environment import environment
from hybrid_pde.evaluation.number_format import duration, estimate, number

ROOT = Path(__file__).resolve().parents[1]
DOCS, RESULTS = ROOT / "docs", ROOT / "results"
RECORD = DOCS / "measurements" / "gallery.json"
HEAD = """# Gallery

Each of these experiments is a file in `config/`, takes at most some minutes on two cores,
and is run by `snakemake --cores 2 results/<name>/report.html`. Pictures and figures are written by
`python -m benchmarks.gallery`; the figures are in
[gallery.json](measurements/gallery.json), with the machine they come from.

VRMSE is the error of predictions of simulations that were not used, 1 being that of the mean. In
all but the last, the data come from the solver that is calibrated: they show what can be done, and
how it is written, but not the accuracy to expect of data from elsewhere
([benchmarks](benchmarks.md)).
"""


@dataclass(frozen=True)
class Exhibit:
    """An experiment of the gallery: its name, title and text, and the field that is drawn."""

    name: str
    title: str
    text: str
    field: str


EXHIBITS = (
    Exhibit(
        "burgers_sensors",
        "Burgers' equation from sparse readings",
        "Forty readings with 1 % noise of each of two simulations give the viscosity and its error "
        "bar.",
        "velocity_x",
    ),
    Exhibit(
        "unknown_wind",
        "A tracer in an unknown wind",
        "Puffs spread and drift; wind and diffusivity are estimated together, and a U-Net learns "
        "to forecast from two simulations and those that the calibrated equation generates.",
        "concentration",
    ),
    Exhibit(
        "gray_scott",
        "Gray-Scott patterns",
        "Both diffusivities, the feed rate and the kill rate of two reacting species.",
        "b",
    ),
    Exhibit(
        "kolmogorov",
        "Kolmogorov flow in vorticity",
        "Viscosity and drag of a flow that a sine-shaped force drives.",
        "vorticity",
    ),
    Exhibit(
        "smoke_plume",
        "Rising smoke",
        "Buoyancy, viscosity and the diffusivity of smoke, from its density and velocity.",
        "density",
    ),
    Exhibit(
        "kuramoto_sivashinsky",
        "Kuramoto-Sivashinsky chaos",
        "Two coefficients of a chaotic equation, and a surrogate that forecasts it for 10 time "
        "units. Errors grow about e-fold in that time, so longer forecasts say little. The "
        "solver is faster here than the surrogate.",
        "u",
    ),
    Exhibit(
        "shallow_water",
        "Waves on shallow water",
        "Gravity and drag, from the waves that drops leave on a basin.",
        "height",
    ),
    Exhibit(
        "parameter_study",
        "A parameter study",
        "Every simulation has a growth rate of its own; each is estimated, and the diffusivity "
        "that they share.",
        "u",
    ),
    Exhibit(
        "pumping_test",
        "A measured data set: a pumping test",
        "Drawdown measured in three piezometers beside a pumped well at Sioux Flats, South Dakota, "
        "and an [equation of one's own](../examples/pumping_test/radial_flow.py). The first "
        "column has what a fit of Theis' closed form to the same readings gives; the manual of "
        "AQTESOLV (Duffield, 2007) has 0.04986 m²/s and 0.0615. The lines in the picture are the "
        "closed form for the estimated values.",
        "drawdown",
    ),
)


def main() -> None:
    """Run the experiments, and write pictures, record and page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="experiments; default: all")
    parser.add_argument("--keep", action="store_true", help="take the results that are there")
    asked = parser.parse_args()
    found = {}
    for exhibit in EXHIBITS:
        if asked.names and exhibit.name not in asked.names:
            continue
        if not asked.keep:
            target = f"results/{exhibit.name}/report.html"
            snakemake = [sys.executable, "-m", "snakemake"]
            subprocess.run([*snakemake, "--cores", "2", target], cwd=ROOT, check=True)
        found[exhibit.name] = {**measured(exhibit.name), "environment": environment()}
        draw(exhibit)
    # read now: other runs may have written it meanwhile
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    record |= found
    RECORD.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    sections = [section(each, record[each.name]) for each in EXHIBITS if each.name in record]
    (DOCS / "gallery.md").write_text("\n".join([HEAD, *sections]), encoding="utf-8")


def measured(name: str) -> dict[str, Any]:
    """Parameters, errors and CPU seconds of an experiment's results."""
    folder = RESULTS / name
    parameters = yaml.safe_load((folder / "physical" / "parameters.yaml").read_text("utf-8"))
    config = yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text("utf-8"))
    truth = config.get("generation_params", {}).get("parameters", {})
    if name == "pumping_test":
        truth = dict(zip(("transmissivity", "storativity"), _fitted_closed_form(), strict=True))
    metrics = folder / "evaluation" / "metrics.json"
    errors = json.loads(metrics.read_text("utf-8")) if metrics.exists() else {}
    seconds = 0.0
    for table in (folder / "benchmarks").glob("*.tsv"):
        names, *_, values = (line.split("\t") for line in table.read_text("utf-8").splitlines())
        seconds += float(dict(zip(names, values, strict=True))["cpu_time"])
    return {
        "cpu_seconds": round(seconds, 1),
        "status": parameters["status"],
        "parameters": {
            key: {field: each.get(field) for field in ("value", "uncertainty", "unit")}
            | {"truth": truth.get(key), "known": each.get("known")}
            for key, each in parameters["parameters"].items()
        },
        "vrmse": {
            model: errors[model]["vrmse"]
            for model in ("physical", "synthetic", "persistence")
            if isinstance(errors.get(model), dict) and errors[model]["vrmse"] is not None
        },
        "warnings": len(parameters.get("warnings") or []),
    }


def section(exhibit: Exhibit, record: dict[str, Any]) -> str:
    """The part of the page about one experiment."""
    rows = [f"## {exhibit.title}", "", exhibit.text, ""]
    rows += [f"![{exhibit.title}](images/gallery/{exhibit.name}.png)", ""]
    reference = "closed form" if exhibit.name == "pumping_test" else "true"
    rows += [f"| | {reference} | estimate |", "| --- | --- | --- |"]
    for name, found in record["parameters"].items():
        rows += _parameter_rows(name, found)
    errors = ", ".join(f"{model} {number(vrmse, 2)}" for model, vrmse in record["vrmse"].items())
    source = f"[{exhibit.name}.yaml](../config/{exhibit.name}.yaml)"
    took = f"{source}, {duration(record['cpu_seconds'])} of CPU time"
    rows += ["", f"{took}. VRMSE: {errors}." if errors else f"{took}.", ""]
    return "\n".join(rows)


def _parameter_rows(name: str, found: dict[str, Any]) -> list[str]:
    value, uncertainty, truth = found["value"], found["uncertainty"], found["truth"]
    if isinstance(value, list) and len(value) > 3:
        return [f"| `{name}` | one for each simulation | {len(value)} values, in the report |"]
    if not isinstance(value, list):
        shown = "–" if truth is None else number(truth)
        return [f"| `{name}` [{found['unit']}] | {shown} | {estimate(value, uncertainty)} |"]
    return [
        f"| `{name}[{i}]` [{found['unit']}] | {number(truth[i]) if truth else '–'} | "
        f"{estimate(each, uncertainty[i] if uncertainty else None)} |"
        for i, each in enumerate(value)
    ]


def draw(exhibit: Exhibit) -> None:
    """Draw a picture of the first held-out simulation, or of the readings."""
    matplotlib.use("Agg")
    target = DOCS / "images" / "gallery" / f"{exhibit.name}.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    if exhibit.name == "pumping_test":
        figure = _drawdown()
    else:
        with xr.open_dataset(RESULTS / exhibit.name / "evaluation" / "rollouts.nc") as rollouts:
            models = [m for m in ("physical", "synthetic") if f"{exhibit.field}_{m}" in rollouts]
            shown = {m: rollouts[f"{exhibit.field}_{m}"].isel(sample=0) for m in ("truth", *models)}
            figure = _space_time(shown) if shown["truth"].ndim == 2 else _frames(shown)
    if exhibit.name == "gray_scott":  # the animation of the README
        animation = RESULTS / exhibit.name / "evaluation" / "animation.gif"
        target.with_suffix(".gif").write_bytes(animation.read_bytes())
    figure.savefig(target, dpi=110)
    plt.close(figure)


def _space_time(shown: dict[str, xr.DataArray]) -> plt.Figure:
    """Panels over time and space, of the truth and each model, of a simulation in 1D."""
    figure, panels = plt.subplots(1, len(shown), figsize=(8, 2.6), sharey=True, squeeze=False)
    truth = shown["truth"]
    limits = {"vmin": float(truth.min()), "vmax": float(truth.max())}
    for panel, (name, values) in zip(panels[0], shown.items(), strict=True):
        panel.pcolormesh(values.time, values.x, values.T, shading="nearest", **limits)
        panel.set(title=_label(name), xlabel="t")
    panels[0][0].set_ylabel("x")
    figure.tight_layout()
    return figure


def _frames(shown: dict[str, xr.DataArray]) -> plt.Figure:
    """Four frames in a row, of the truth and each model, of a simulation in 2D."""
    truth = shown["truth"]
    frames = np.linspace(0, truth.sizes["time"] - 1, 4).round().astype(int)
    figure, panels = plt.subplots(
        len(shown), 4, figsize=(8, 2.1 * len(shown) + 0.3), sharex=True, sharey=True, squeeze=False
    )
    limits = {"vmin": float(truth.min()), "vmax": float(truth.max())}
    for row, (name, values) in zip(panels, shown.items(), strict=True):
        for panel, frame in zip(row, frames, strict=True):
            panel.pcolormesh(
                values.x, values.y, values.isel(time=frame).transpose("y", "x"), **limits
            )
            panel.set(aspect="equal", xticks=[], yticks=[])
        row[0].set_ylabel(_label(name))
    for panel, frame in zip(panels[0], frames, strict=True):
        panel.set_title(f"t = {number(float(truth.time[frame]), 3)}")
    figure.tight_layout()
    return figure


def _label(name: str) -> str:
    return {"truth": "truth", "physical": "calibrated\nmodel", "synthetic": "surrogate"}[name]


def _drawdown() -> plt.Figure:
    """Readings of the pumping test and the closed form for the estimated values, over time."""
    parameters = measured("pumping_test")["parameters"]
    values = [parameters[name]["value"] for name in ("transmissivity", "storativity")]
    figure, panel = plt.subplots(figsize=(8, 3))
    radii, times, drawdown = _readings()
    smooth = np.geomspace(times.min(), times.max(), 100)
    for radius, measured_there in zip(radii, drawdown.T, strict=True):
        (line,) = panel.semilogx(smooth / 3600, _theis(radius, smooth, *values))
        label, color = f"{radius:.1f} m from the well", line.get_color()
        panel.semilogx(times / 3600, measured_there, "o", color=color, markersize=4, label=label)
    panel.set(xlabel="time since pumping began [h]", ylabel="drawdown [m]")
    panel.legend(frameon=False)
    figure.tight_layout()
    return figure


def _readings() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Radii [m], times [s], and drawdown [m] ``[time, piezometer]`` of the pumping test."""
    path = ROOT / "examples" / "pumping_test" / "readings.nc"
    with xr.open_dataset(path, decode_times=False) as readings:
        return readings.x.values, readings.time.values, readings.drawdown.values


def _theis(radius: Any, time: Any, transmissivity: float, storativity: float) -> np.ndarray:
    """Theis' drawdown Q/(4πT) E₁(r² S/(4 T t)) [m]."""
    config = yaml.safe_load((ROOT / "config" / "pumping_test.yaml").read_text("utf-8"))
    discharge = config["model"]["physical"]["pde_params"]["discharge"]
    argument = radius**2 * storativity / (4 * transmissivity * time)
    return discharge / (4 * np.pi * transmissivity) * exp1(argument)


def _fitted_closed_form() -> list[float]:
    """Transmissivity and storativity for which the closed form fits the readings best."""
    radii, times, drawdown = _readings()
    known = np.isfinite(drawdown)

    def residual(values: np.ndarray) -> np.ndarray:
        return (_theis(radii[None], times[:, None], *values) - drawdown)[known]

    return least_squares(residual, [0.02, 0.02], x_scale=[0.02, 0.02]).x.tolist()


if __name__ == "__main__":
    main()
