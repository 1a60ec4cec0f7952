"""Errors in the settings of a calibration, reported before it starts."""

from pathlib import Path
from typing import Any

import pytest

from hybrid_pde.config import load_experiment, parse_experiment
from hybrid_pde.config.checks.data import check_against_data
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.errors import ConfigError

DIFFUSION = """
data: {dset_name: plate, fields: [u]}
model: {physical: {name: DiffusionPDE}}
trainer_params:
  train_sim: [0]
  num_predict_steps: 4
  learnable_parameters: [{name: diffusivity, initial_guess: 0.1, bounds: [0.01, 1.0]}]
"""
ROTATION = """
data: {dset_name: dye, fields: [c]}
model: {physical: {name: AdvectionDiffusionPDE, pde_params: {diffusivity: 0.1}}}
trainer_params:
  train_sim: [0]
  num_predict_steps: 4
  learnable_parameters: [{name: velocity, initial_guess: [0.1, 0.2], bounds: [0.0, 1.0]}]
"""
FORCED = """
data: {dset_name: flow, fields: [velocity]}
model: {physical: {name: NavierStokesPDE, pde_params: {viscosity: 0.1}}}
trainer_params:
  train_sim: [0]
  num_predict_steps: 4
  learnable_parameters: [{name: forcing, initial_guess: [0.1, 2.0]}]
"""
LEARNABLE = "[{name: diffusivity, initial_guess: 0.1, bounds: [0.01, 1.0]}]"
PLATE = Grid(
    axes=("x", "y"),
    shape=(8, 6),
    lower=(0.0, 0.0),
    upper=(1.0, 0.75),
    boundary=(("periodic", "periodic"), (0.0, "zero-gradient")),
    nodes_on_boundary=(False, False),
)


def load(folder: Path, text: str) -> dict[str, Any]:
    path = folder / "case.yaml"
    path.write_text(text, encoding="utf-8")
    return load_experiment(path)


def diffusion(learnable: str) -> str:
    """The experiment with a different learnable parameter."""
    assert LEARNABLE in DIFFUSION
    return DIFFUSION.replace(LEARNABLE, f"[{{name: diffusivity, {learnable}}}]")


ALLOWED = {
    "as it stands": DIFFUSION,
    "numbers": ROTATION,
    "named numbers": FORCED,
    "no guess between bounds": diffusion("bounds: [0.01, 1.0]"),
    "log scale": diffusion("initial_guess: 0.1, bounds: [0.01, null], scale: log"),
    "a prior": diffusion("initial_guess: 0.1, prior: {mean: 0.1, std: 0.02}"),
    "a field on the grid": diffusion("initial_guess: 0.1, parametrization: {type: grid}"),
    "gaussians without a guess": diffusion("parametrization: {type: gaussians, count: 2}"),
    "modes": diffusion("initial_guess: 0.1, parametrization: {type: fourier, modes: 2}"),
    "several starts without bounds": diffusion("initial_guess: 0.1") + "  starts: 4\n",
    "unknown initial states": DIFFUSION + "  initial_state: estimate\n",
    "adam": DIFFUSION + "  method: adam\n",
    "refinement": DIFFUSION.replace("PDE}", "PDE, numerics: {refine: 2}}"),
    "an option": DIFFUSION.replace("PDE}", "PDE, pde_params: {conservative: false}}"),
}


@pytest.mark.parametrize("case", ALLOWED)
def test_valid_calibration_is_accepted(tmp_path: Path, case: str) -> None:
    experiment = parse_experiment(load(tmp_path, ALLOWED[case]))
    assert experiment.trainer_params.physical.learnable_parameters


FIRST = "trainer_params.learnable_parameters[0]"
REFUSED = {
    "bounds reversed": (
        diffusion("initial_guess: 0.1, bounds: [1.0, 0.01]"),
        [f"{FIRST}.bounds: [1.0, 0.01]", "less than the upper"],
    ),
    "guess outside": (
        diffusion("initial_guess: 2.0, bounds: [0.01, 1.0]"),
        [f"{FIRST}.initial_guess: 2.0", "[0.01, 1.0]"],
    ),
    "one of the guesses outside": (
        ROTATION.replace("[0.1, 0.2]", "[0.1, 1.2]"),
        [f"{FIRST}.initial_guess: 1.2", "[0.0, 1.0]"],
    ),
    "no guess and one bound": (
        diffusion("bounds: [0.01, null]"),
        [f"{FIRST}.initial_guess: missing", "both bounds"],
    ),
    "no guess of named numbers": (
        FORCED.replace("initial_guess: [0.1, 2.0]", "bounds: [0.0, 1.0]"),
        [f"{FIRST}.initial_guess: missing", "amplitude, wavenumber"],
    ),
    "too few named numbers": (
        FORCED.replace("[0.1, 2.0]", "0.1"),
        [f"{FIRST}.initial_guess: 0.1", "amplitude, wavenumber"],
    ),
    "log scale without bounds": (
        diffusion("initial_guess: 0.1, scale: log"),
        [f"{FIRST}.scale: log", "above zero", "bounds: missing"],
    ),
    "log scale from zero": (
        diffusion("initial_guess: 0.1, bounds: [0.0, 1.0], scale: log"),
        [f"{FIRST}.scale: log", "[0.0, 1.0]"],
    ),
    "negative bound of a positive parameter": (
        diffusion("initial_guess: 0.1, bounds: [-0.1, 1.0]"),
        [f"{FIRST}.bounds: [-0.1, 1.0]", "diffusivity must not be negative"],
    ),
    "no positive value within bounds": (
        diffusion("initial_guess: 0.0, bounds: [null, 0.0]"),
        [f"{FIRST}.bounds: [None, 0.0]", "upper bound above 0"],
    ),
    "negative bound of a positive field": (
        diffusion("initial_guess: 0.1, bounds: [-1.0, 1.0], parametrization: {type: grid}"),
        [f"{FIRST}.bounds: [-1.0, 1.0]", "must not be negative"],
    ),
    "mapping without a parametrization": (
        diffusion("initial_guess: {amplitude: 1.0}"),
        [f"{FIRST}.initial_guess: {{'amplitude': 1.0}}", "parametrization", "type: gaussians"],
    ),
    "parametrization of a number": (
        FORCED.replace(
            "forcing, initial_guess: [0.1, 2.0]",
            "viscosity, initial_guess: 0.1, parametrization: {type: grid}",
        ),
        [f"{FIRST}.parametrization: grid", "viscosity cannot be a field"],
    ),
    "bounds of gaussians": (
        diffusion("bounds: [0.0, 1.0], parametrization: {type: gaussians}"),
        [f"{FIRST}.bounds: [0.0, 1.0]", "parametrization.clip"],
    ),
    "log scale of a field": (
        diffusion("initial_guess: 1.0, scale: log, parametrization: {type: grid}"),
        [f"{FIRST}.scale: log", "linear"],
    ),
    "gaussians from a number": (
        diffusion("initial_guess: 0.1, parametrization: {type: gaussians}"),
        [f"{FIRST}.initial_guess: 0.1", "amplitude, centre, width", "background"],
    ),
    "unknown guess of gaussians": (
        diffusion("initial_guess: {amplitud: 1.0}, parametrization: {type: gaussians}"),
        [f"{FIRST}.initial_guess.amplitud", "did you mean 'amplitude'?"],
    ),
    "width twice": (
        diffusion("initial_guess: {width: 1.0}, parametrization: {type: gaussians, width: 2.0}"),
        [f"{FIRST}.initial_guess.width: 1.0", "fixes it at 2"],
    ),
    "clip reversed": (
        diffusion("parametrization: {type: gaussians, clip: [2.0, 1.0]}"),
        [f"{FIRST}.parametrization.clip: [2.0, 1.0]", "upper limit"],
    ),
    "modes without a guess": (
        diffusion("parametrization: {type: fourier}"),
        [f"{FIRST}.initial_guess: missing", "number"],
    ),
    "unknown key of a parametrization": (
        diffusion("parametrization: {type: gaussians, cout: 2}"),
        ["parametrization.cout", "did you mean 'count'?", "Allowed: background, clip"],
    ),
    "parametrization without a type": (
        diffusion("parametrization: {count: 2}"),
        ["parametrization.type: missing", "grid, gaussians, fourier"],
    ),
    "unknown key of a prior": (
        diffusion("initial_guess: 0.1, prior: {mean: 0.1, sd: 0.2}"),
        ["learnable_parameters[0].prior.sd", "did you mean 'std'?", "prior.std: missing"],
    ),
    "known and learned": (
        DIFFUSION.replace("[u]}", "[u], known_parameters: {diffusivity: kappa}}"),
        ["data.known_parameters.diffusivity: 'kappa'", "learnable_parameters[0] learns it"],
    ),
    "known but no parameter": (
        DIFFUSION.replace("[u]}", "[u], known_parameters: {diffusivty: kappa}}"),
        ["data.known_parameters.diffusivty: 'kappa'", "did you mean 'diffusivity'?"],
    ),
    "single steps with unknown initial states": (
        DIFFUSION + "  method: adam\n  initial_state: estimate\n",
        ["trainer_params.initial_state: estimate", "adam", "gauss-newton or L-BFGS-B"],
    ),
    "single steps from several starts": (
        DIFFUSION + "  method: sgd\n  starts: 4\n",
        ["trainer_params.starts: 4", "sgd", "gauss-newton or L-BFGS-B"],
    ),
    "order of a scheme without": (
        DIFFUSION.replace("PDE}", "PDE, numerics: {scheme: weno, order: 4}}"),
        ["model.physical.numerics.order: 4", "weno: the scheme has no orders"],
    ),
    "order that a scheme has not": (
        DIFFUSION.replace("PDE}", "PDE, numerics: {scheme: spectral, order: 6}}"),
        ["model.physical.numerics.order: 6", "spectral: allowed: 2, 4"],
    ),
    "steps on a finer grid": (
        DIFFUSION.replace("PDE}", "PDE, numerics: {refine: 2, substeps: 3}}"),
        ["model.physical.numerics.substeps: 3", "refine: 2", "give only one of them"],
    ),
    "option that is no switch": (
        DIFFUSION.replace("PDE}", "PDE, pde_params: {conservative: 2}}"),
        ["model.physical.pde_params.conservative: 2", "true or false"],
    ),
    "fields that are lacking": (
        DIFFUSION.replace("DiffusionPDE", "GrayScottPDE"),
        ["data.fields: ['u']", "['a', 'b']", "no field found for b"],
    ),
    "no such file of sensors": (
        DIFFUSION.replace("[u]}", "[u], observations: {sensors: buoys.nc}}\nproject_root: trip"),
        ["data.observations.sensors: 'buoys.nc'", "trip/buoys.nc", "project_root"],
    ),
    "no time": (
        DIFFUSION.replace("[u]}", "[u], observations: {times: []}}"),
        ["data.observations.times: []", "leave it out"],
    ),
    "region reversed": (
        DIFFUSION.replace("[u]}", "[u], observations: {region: {x: [0.5, 0.1]}}}"),
        ["data.observations.region.x: [0.5, 0.1]"],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_invalid_calibration_is_rejected(tmp_path: Path, case: str) -> None:
    text, expected = REFUSED[case]
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    message = str(caught.value)
    assert str(tmp_path / "case.yaml") in message
    for part in expected:
        assert part in message, message


def test_sensor_file_is_relative_to_project_root(tmp_path: Path) -> None:
    (tmp_path / "buoys.nc").write_bytes(b"")
    text = DIFFUSION.replace("[u]}", "[u], observations: {sensors: buoys.nc}}")
    content = load(tmp_path, f"{text}\nproject_root: {tmp_path}\n")
    assert content["data"]["observations"]["sensors"] == "buoys.nc"


AGAINST_DATA = {
    "a scalar as velocity": (
        FORCED,
        FieldLayout("velocity"),
        ["data.fields: 'velocity'", "1 channel(s)", "NavierStokesPDE has 2"],
    ),
    "a vector as scalar": (
        DIFFUSION,
        FieldLayout("u", ("x", "y")),
        ["data.fields: 'u'", "2 channel(s)", "DiffusionPDE has 1"],
    ),
    "constant in time": (
        DIFFUSION,
        FieldLayout("u", static=True),
        ["data.fields: ['u']", "changes in time", "was found for u"],
    ),
    "region along an axis that is not there": (
        DIFFUSION.replace("[u]}", "[u], observations: {region: {z: [0.1, 0.5]}}}"),
        FieldLayout("u"),
        ["data.observations.region: 'z'", "x, y"],
    ),
    "region outside": (
        DIFFUSION.replace("[u]}", "[u], observations: {region: {y: [0.8, null]}}}"),
        FieldLayout("u"),
        ["data.observations.region.y: [0.8, None]", "[0, 0.75]"],
    ),
    "guess for another number of axes": (
        ROTATION.replace("[0.1, 0.2]", "[0.1, 0.2, 0.3]"),
        FieldLayout("c"),
        [f"{FIRST}.initial_guess: [0.1, 0.2, 0.3]", "2 axes (x, y)"],
    ),
    "field with a component for each axis": (
        ROTATION.replace("[0.1, 0.2]", "0.1, parametrization: {type: grid}"),
        FieldLayout("c"),
        [f"{FIRST}.parametrization: grid", "learn one number per axis"],
    ),
    "spectral between walls": (
        DIFFUSION.replace("PDE}", "PDE, numerics: spectral}"),
        FieldLayout("u"),
        ["numerics.scheme: spectral", "'y': [0.0, 'zero-gradient']", "finite_difference"],
    ),
}


@pytest.mark.parametrize("case", AGAINST_DATA)
def test_calibration_that_does_not_fit_the_data_is_rejected(tmp_path: Path, case: str) -> None:
    text, layout, expected = AGAINST_DATA[case]
    experiment = parse_experiment(load(tmp_path, text))
    with pytest.raises(ConfigError) as caught:
        check_against_data(experiment, "case.yaml", [layout], [9], PLATE)
        with pytest.raises(ConfigError, match=r"case\.yaml"):
            check_against_data(experiment, "case.yaml", [FieldLayout("other")], [9], PLATE)
    for part in expected:
        assert part in str(caught.value)


def test_calibration_that_fits_the_data_is_accepted(tmp_path: Path) -> None:
    text = DIFFUSION.replace("[u]}", "[u], observations: {region: {y: [0.5, null]}}}")
    for allowed, layout in ((text, FieldLayout("u")), (ROTATION, FieldLayout("c"))):
        experiment = parse_experiment(load(tmp_path, allowed))
        check_against_data(experiment, "case.yaml", [layout], [9], PLATE)
