"""Units of velocities and known parameters that an equation cannot have."""

from collections.abc import Mapping
from typing import Any

import pytest

from hybrid_pde.config.loading import parse_experiment
from hybrid_pde.data.equation_units import equation_unit_errors
from hybrid_pde.data.raw_files.unit_conversion import is_rate_in_other_lengths
from hybrid_pde.domain.grid import FieldLayout
from hybrid_pde.domain.known_values import KnownParameter
from hybrid_pde.domain.stated_units import StatedUnits


def errors(equation: str, units: Mapping[str, str], known: str = "", **learned: float) -> list[str]:
    experiment = parse_experiment(
        {
            "run_params": {"model_type": "physical"},
            "data": {
                "dset_name": "d",
                "fields": ["u"],
                "known_parameters": {known: "k"} if known else {},
            },
            "model": {"physical": {"name": equation}},
            "trainer_params": {
                "train_sim": [0],
                "learnable_parameters": [
                    {"name": name, "initial_guess": guess} for name, guess in learned.items()
                ],
            },
        }
    )
    parameters = [KnownParameter(known)] if known else []
    stated = StatedUnits(length="m", time="s", variables=tuple(units.items()))
    return list(equation_unit_errors(experiment, [FieldLayout("u")], parameters, stated))


@pytest.mark.parametrize(
    ("unit", "problem"), [("K", "another kind of quantity"), ("foo/s", "no known unit")]
)
def test_a_velocity_in_another_unit_is_rejected(unit: str, problem: str) -> None:
    (found,) = errors("BurgersPDE", {"u": unit}, viscosity=0.1)
    assert f"data.fields.u: the raw files state the unit '{unit}', which is {problem}" in found
    assert "BurgersPDE takes length/time" in found
    assert not errors("BurgersPDE", {"u": unit}, viscosity=0.1, advection=1.0)  # scales it


def test_a_known_parameter_in_another_unit_is_rejected() -> None:
    (found,) = errors("DiffusionPDE", {"diffusivity": "m s-1"}, known="diffusivity")
    assert "data.known_parameters.diffusivity" in found and "length²/time" in found


@pytest.mark.parametrize(
    ("equation", "units", "known"),
    [
        ("BurgersPDE", {"u": "m s-1"}, ""),
        ("BurgersPDE", {"u": ""}, ""),
        ("DiffusionPDE", {"u": "K", "diffusivity": "m2 s-1"}, "diffusivity"),
        # a wave of u metres: a u has the unit of a velocity
        ("KortewegDeVriesPDE", {"u": "m", "advection": "s-1"}, "advection"),
    ],
)
def test_units_that_fit(equation: str, units: dict[str, Any], known: str) -> None:
    assert not errors(equation, units, known)


def test_rates_in_other_lengths_than_metres() -> None:
    units = ("km h-1", "cm2 s-1", "m s-1", "m/h", "s-1", "km", "K", "")
    assert [is_rate_in_other_lengths(each) for each in units] == [True, True, *[False] * 6]
