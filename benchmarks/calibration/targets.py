"""Calibration problems with known parameters: one function per problem, which prints the errors."""

from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from benchmarks.calibration import cases
from benchmarks.calibration.fit import Fit, fit
from benchmarks.information_limit import information_limit
from hybrid_pde.training.physical.normal_interval import NORMAL_90

LEVELS = (0.0, 0.01, 0.05, 0.10)
ALLOWED_PERCENT = {0.0: 0.01, 0.01: 0.1, 0.05: 0.5, 0.10: 1.0}


def percent(found: float, truth: float) -> float:
    """Error in percent of the truth."""
    return 100 * abs(found - truth) / abs(truth)


def say(what: str, error: float, allowed: float, *details: str) -> None:
    """One line of the table."""
    verdict = "reached" if error <= allowed else "NOT REACHED"
    print(f"{what}: {error:.3g} (at most {allowed:g}): {verdict}", *details, sep="; ", flush=True)


def pdefind(scratch: Path, data: Path, seeds: int = 10) -> None:
    """ν of PDE-FIND's Burgers data with noise on every frame, the first one included."""
    raw = scratch / "pdefind"
    cases.write_pdefind(data / "pdefind_burgers.nc", raw / "burgers.nc")
    for level in LEVELS:
        fits = [_pdefind_fit(raw, level, seed) for seed in range(seeds if level else 1)]
        errors = [percent(each.value("viscosity"), 0.1) for each in fits]
        within = sum(
            abs(each.value("viscosity") - 0.1) <= 2 * each.std("viscosity") for each in fits
        )
        say(
            f"PDE-FIND Burgers, noise {level:.0%}, error of nu in %, median of {len(fits)}",
            median(errors),
            ALLOWED_PERCENT[level],
            f"largest {max(errors):.3g}",
            f"{within} of {len(fits)} within 2 std",
            f"{np.mean([each.seconds for each in fits]):.1f} s each",
            f"schemes {sorted({each.scheme for each in fits})}",
        )


def _pdefind_fit(raw: Path, level: float, seed: int) -> Fit:
    data: dict[str, Any] = {"fields": ["velocity"], "variables": {"velocity": "u"}}
    training: dict[str, Any] = {
        "num_predict_steps": 100,
        "learnable_parameters": [
            {"name": "viscosity", "initial_guess": 0.3, "bounds": [1e-3, 1.0]}
        ],
    }
    if level:
        data["observations"] = {"noise": level, "seed": seed}
        training["initial_state"] = "estimate"
    else:
        training["num_predict_steps"] = 10
    return fit(raw, data, {"name": "BurgersPDE"}, training)


def allen_cahn(scratch: Path, data: Path) -> None:
    """D and r of the Allen-Cahn data of Raissi et al."""
    raw = scratch / "allen_cahn"
    cases.write_allen_cahn(data / "raissi_AC.h5", raw / "ac.nc")
    found = fit(
        raw,
        {"fields": ["u"]},
        {"name": "AllenCahnPDE"},
        {
            "num_predict_steps": 10,
            "learnable_parameters": [
                {"name": "diffusivity", "initial_guess": 1e-3, "bounds": [1e-6, 0.1]},
                {"name": "reaction_rate", "initial_guess": 1.0, "bounds": [0.1, 50.0]},
            ],
        },
    )
    for name, truth in (("diffusivity", 1e-4), ("reaction_rate", 5.0)):
        say(
            f"Allen-Cahn, error of {name} in %",
            percent(found.value(name), truth),
            0.05,
            *_details(found, name),
        )


def diffusion_reaction(scratch: Path, data: Path) -> None:
    """D_u, D_v and k of a file in PDEBench's layout, without its first 20 frames."""
    raw = scratch / "diffusion_reaction"
    raw.mkdir(parents=True, exist_ok=True)
    file = raw / "diffusion_reaction.h5"
    if not file.exists():
        file.symlink_to((data / "2D_diff-react_official_params.h5").resolve())
    found = fit(
        raw,
        {
            "fields": ["u", "v"],
            "format": "hdf5-pdebench",
            "boundary": "zero-gradient",
            "select": {"time": [0.999, None]},
        },
        {"name": "FitzHughNagumoPDE"},
        {
            "train_sim": [0, 1],
            "num_predict_steps": 10,
            "learnable_parameters": [
                {"name": "diffusivity_u", "initial_guess": 5e-3, "bounds": [1e-5, 0.1]},
                {"name": "diffusivity_v", "initial_guess": 1e-3, "bounds": [1e-5, 0.1]},
                {"name": "threshold", "initial_guess": 0.05, "bounds": [-1.0, 1.0]},
            ],
        },
    )
    for name, truth in (("diffusivity_u", 1e-3), ("diffusivity_v", 5e-3), ("threshold", 5e-3)):
        say(
            f"PDEBench diffusion-reaction, error of {name} in %",
            percent(found.value(name), truth),
            0.2,
            *_details(found, name),
        )


def gray_scott(scratch: Path, data: Path) -> None:
    """D_a and D_b of Gray-Scott from 5 000 random observations and the start.

    The start has no waves that the points of the data don't resolve: if it had, D_a and D_b would
    be off by 0.03 and 0.25 %, since the first frame doesn't tell them.
    """
    raw = scratch / "gray_scott"
    if not (raw / "gray_scott.nc").exists():
        cases.write_gray_scott(raw / "gray_scott.nc")
    found = fit(
        raw,
        {
            "fields": ["a", "b"],
            "domain": {"x": [0.0, 100.0], "y": [0.0, 100.0]},
            "observations": {"points": 5000, "seed": 0},
        },
        {
            "name": "GrayScottPDE",
            "pde_params": {"feed": 0.018, "kill": 0.051},
            # Fronts are one grid spacing of the data wide.
            "numerics": {"scheme": "spectral", "refine": 2},
        },
        {
            "check_discretization": False,  # it would use 256²; the observed run is on 128²
            "learnable_parameters": [
                {"name": "diffusivity_a", "initial_guess": 0.10, "bounds": [0.01, 1.0]},
                {"name": "diffusivity_b", "initial_guess": 0.05, "bounds": [0.01, 1.0]},
            ],
        },
    )
    for name, truth in (("diffusivity_a", 0.20), ("diffusivity_b", 0.08)):
        say(
            f"Gray-Scott, error of {name} in %",
            percent(found.value(name), truth),
            0.05,
            *_details(found, name),
        )


def heat(scratch: Path, data: Path) -> None:
    """Amplitudes and centres of a conductivity from moving sensors in a quarter of the domain.

    Steps of order four where the readings are exact in time; a grid as fine as that of the run that
    is read, or noise takes the place of the unknowns' trace in the readings. With noise, prints the
    information limit beside the error.
    """
    for case in _HEAT_CASES:
        name = f"heat_{case.run_nodes}_{case.noise:g}"
        raw, sensors = scratch / name, scratch / f"{name}.nc"
        cases.write_heat(cases.heat_case(case.run_nodes, case.noise), raw / "heat.nc", sensors)
        found = fit(
            raw,
            {
                "fields": ["u"],
                "domain": {"x": [-3.0, 3.0], "y": [-3.0, 3.0]},
                "boundary": 0.0,
                "observations": {"sensors": str(sensors)},
            },
            {
                "name": "DiffusionPDE",
                "pde_params": {"conservative": False},
                "numerics": {"scheme": "finite_difference", "order": 2, **case.numerics},
            },
            {"learnable_parameters": [_TWO_GAUSSIANS], "check_discretization": False},
        )
        value = found.value("diffusivity")
        order = min(([0, 1], [1, 0]), key=lambda each: _heat_error(value, each))
        error, limits = _heat_error(value, order), ()
        what = f"Heat, readings of {case.run_nodes}² nodes, noise {case.noise:.0%}"
        if case.noise:
            limits = _heat_limit(found, order, case.noise, error)
        else:
            say(f"{what}, error of amplitudes + centres", error, case.allowed)
        print(
            what,
            *limits,
            f"{_heat_deviation(found.std('diffusivity')):.2g} by the standard deviations",
            f"{found.seconds:.0f} s (at most 120), {found.cpu_seconds:.0f} s of CPU",
            f"{torch.get_num_threads()} threads",
            f"{found.result['iterations']} evaluations",
            sep="; ",
            flush=True,
        )


def _heat_limit(found: Fit, order: list[int], noise: float, error: float) -> tuple[str, ...]:
    """Verdict on the intervals with noise, and the information limit beside the error."""
    truth = np.concatenate([_AMPLITUDE[order], _CENTRE[order].ravel()])
    limit = information_limit(found.calibration, {"diffusivity": truth}, noise)
    std = np.asarray(found.std("diffusivity"))
    value = found.value("diffusivity")
    estimate = np.concatenate([value["amplitude"], np.ravel(value["centre"])])
    inside = int(np.sum(np.abs(estimate - truth) <= NORMAL_90 * std))
    width = float(np.max(std / limit))
    reached = inside == len(truth) and width <= _WIDEST
    return (
        f"{inside} of {len(truth)} numbers within their 90 % intervals, which are at most "
        f"{width:.2f} times as wide as the information limit (at most {_WIDEST:g}): "
        f"{'reached' if reached else 'NOT REACHED'}",
        f"error of amplitudes + centres {error:.3g}",
        f"{_heat_deviation(limit.tolist()):.2g} by the information limit",
    )


# Width of an interval relative to the information limit.
_WIDEST = 1.5


@dataclass(frozen=True)
class HeatSetting:
    """Nodes of the observed run, noise, allowed error without it, and settings of the fit."""

    run_nodes: int
    noise: float
    numerics: dict[str, int]
    allowed: float = 0.0


_TWO_GAUSSIANS: dict[str, Any] = {
    "name": "diffusivity",
    "parametrization": {
        "type": "gaussians",
        "count": 2,
        "background": 0.1,
        "width": 1.0,
        "clip": [0.0, 2.5],
    },
    "initial_guess": {"amplitude": [1.0, 1.0], "centre": [[1.4, -1.3], [-1.8, -1.1]]},
}


_HEAT_CASES = (
    HeatSetting(100, 0.0, {"substeps": 25}, 0.001),
    HeatSetting(200, 0.0, {"refine": 2}, 0.02),
    HeatSetting(200, 0.01, {}),
)


def _heat_deviation(std: list[float]) -> float:
    """The same measure for errors equal to the standard deviations of amplitudes and centres."""
    amplitude, centre = np.asarray(std[:2]), np.asarray(std[2:]).reshape(2, 2)
    return _relative(_AMPLITUDE + amplitude, _AMPLITUDE) + _relative(_CENTRE + centre, _CENTRE)


_AMPLITUDE, _CENTRE = np.array([3.0, 2.5]), np.array([[1.0, 1.0], [-2.0, -2.0]])


def _heat_error(value: dict[str, Any], order: list[int]) -> float:
    """Relative errors of amplitudes and centres, with the Gaussians found in the given order."""
    amplitude, centre = (np.asarray(value[key])[order] for key in ("amplitude", "centre"))
    return _relative(amplitude, _AMPLITUDE) + _relative(centre, _CENTRE)


def _relative(found: Any, truth: Any) -> float:
    difference = np.asarray(found) - np.asarray(truth)
    return float(np.linalg.norm(difference) / np.linalg.norm(truth))


def _details(found: Fit, name: str) -> tuple[str, ...]:
    parameter = found.result["parameters"][name]
    shift = parameter["discretization_error"]
    return (
        f"{parameter['value']:.8g} ± {parameter['std']:.1g}",
        "discretization not checked" if shift is None else f"discretization {shift:.1g}",
        found.scheme,
        f"{found.seconds:.1f} s",
    )
