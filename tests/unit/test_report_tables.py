"""Report: symbols, fixed parameters, captions, comparisons of speed."""

import pytest

from hybrid_pde.config import parse_experiment
from hybrid_pde.config.discovery import built_in_equations
from hybrid_pde.domain.stated_units import StatedUnits
from hybrid_pde.evaluation.figures.style import new_figure, panel_grid
from hybrid_pde.evaluation.report.captions import caption
from hybrid_pde.evaluation.report.data_section import data_facts, field_rows
from hybrid_pde.evaluation.report.error_tables import table_notes
from hybrid_pde.evaluation.report.parameter_tables import parameter_rows, with_symbols

FOUND = {"parameters": {"viscosity": {"value": 0.01, "std": None}}}


def test_every_symbol_of_the_equation_is_in_the_table_of_parameters() -> None:
    experiment = parse_experiment(
        {"model": {"physical": {"name": "BurgersPDE", "pde_params": {"advection": 2.0}}}}
    )
    rows = with_symbols(experiment, parameter_rows(experiment, FOUND))
    shown = [(row["symbol"], row["name"], row["estimate"]) for row in rows]
    assert shown == [
        ("ν", "viscosity", "0.01"),
        ("a", "advection", "2 (fixed)"),
        ("φ", "potential", "0 (fixed)"),
    ]
    assert {*rows[0]} >= {*rows[1]}
    units = StatedUnits(length="km", time="s")
    fixed = with_symbols(experiment, parameter_rows(experiment, FOUND), units)[2]
    assert (fixed["name"], fixed["unit"]) == ("potential", "km²/s²")


def test_an_end_that_is_rounding_is_zero() -> None:
    grid = {"axes": ["y"], "lower": [-8.9e-16], "upper": [320.0], "shape": [32]}
    grid["boundary"] = [["periodic", "periodic"]]
    units = {"length": "km", "time": "s"}
    data = {"grid": grid, "units": units, "frames": [3, 3], "dt": 0.5, "simulations": [0]}
    facts = dict(data_facts(data))
    assert facts["Grid"] == "y 0 … 320 km (32 points)" and facts["Time"] == "3 frames, 0.5 s apart"


@pytest.mark.parametrize("name", sorted(built_in_equations()))
def test_parameters_have_the_symbols_of_their_equation(name: str) -> None:
    spec = built_in_equations()[name]
    symbols = [parameter.symbol for parameter in spec.parameters.values()]
    assert len({*symbols}) == len(symbols), "each has its own"
    assert all(symbol and symbol in spec.formula for symbol in symbols)


@pytest.mark.parametrize("name", ["convergence_1", "convergence_loss", "spectrum_12", "cost"])
def test_drawings_have_captions_also_numbered_ones(name: str) -> None:
    assert caption(name).endswith(".")
    assert caption(f"{name}_unknown") == ""


def test_equal_speeds_are_called_so() -> None:
    (note,) = table_notes({}, {"speedup": {"one": 1.02, "batch": 0.5}})
    assert "as fast as the physical model for one simulation and 2 × slower in the batch" in note


@pytest.mark.parametrize("panels", [1, 2, 3, 4])
def test_no_quarter_of_a_figure_is_empty(panels: int) -> None:
    axes = panel_grid(new_figure(4.0, 3.0), panels)
    rows = -(-panels // 2)
    covered = 0
    for each in axes:
        place = each.get_subplotspec()
        assert place is not None
        covered += (place.rowspan.stop - place.rowspan.start) * (
            place.colspan.stop - place.colspan.start
        )
    assert (len(axes), covered) == (panels, 2 * rows)


def test_an_open_interval_names_the_end_that_it_has() -> None:
    experiment = parse_experiment({"model": {"physical": {"name": "BurgersPDE"}}})
    parameter = {"value": 0.1, "std": 0.1, "uncertainty": 0.1, "initial_guess": 1.0}
    for limits, text in (([None, 0.3], "below 0.3"), ([0.05, None], "above 0.05"),
                         ([None, None], "open")):  # fmt: skip
        found = {"parameters": {"viscosity": {**parameter, "interval_90": limits}}}
        assert parameter_rows(experiment, found)[0]["interval"] == text


def test_an_estimate_is_compared_with_a_stated_value() -> None:
    experiment = parse_experiment({"model": {"physical": {"name": "BurgersPDE"}}})
    parameter = {"value": 0.0021, "std": 1e-5, "unit": "length²/time", "true_value": 0.002}
    (row,) = parameter_rows(experiment, {"parameters": {"viscosity": parameter}})
    assert row["stated"] == "0.002 (5 % off)" and row["in_files"] == ""
    assert row["true_value"] == "stated: 0.002; 5 % error"


def test_a_mean_that_is_rounding_is_zero() -> None:
    row = {"name": "u", "static": False, "std": 0.3, "min": -1.0, "max": 1.0, "missing": 0}
    means = (1.2e-9, 0.1, None)
    rows = field_rows({"fields": [{**row, "unit": "", "mean": mean} for mean in means]})
    assert [each["mean"] for each in rows] == ["0", "0.1", "–"]
