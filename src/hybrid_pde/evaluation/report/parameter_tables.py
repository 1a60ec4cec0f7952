"""Tables of calibrated parameters and compared discretizations."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from hybrid_pde.config import Experiment
from hybrid_pde.config.discovery import built_in_equations
from hybrid_pde.domain.stated_units import NO_UNITS, StatedUnits
from hybrid_pde.evaluation.history import component
from hybrid_pde.evaluation.number_format import (
    MISSING,
    ROUNDING,
    estimate,
    interval,
    number,
    percent,
    plural,
)

AXES = "xyz"
UNDETERMINED = "not determined"
# Pairs of parameters in the table of correlations.
_MOST_PAIRS = 6
# Columns of the table that a row without an estimated number leaves empty.
_NUMBERS = ("interval", "std", "initial_guess", "bounds", "discretization_error")
_EMPTY = {**dict.fromkeys(_NUMBERS, MISSING), "in_files": ""}


def parameter_rows(experiment: Experiment, parameters: Mapping[str, Any]) -> list[dict[str, str]]:
    """One row per parameter or vector component; a field has one row."""
    generation = experiment.generation_params
    true_values = generation.parameters if generation else {}
    rows = []
    for name, parameter in parameters.get("parameters", {}).items():
        if "labels" in parameter:
            rows.append(_field_row(name, parameter))
            continue
        if parameter.get("per_simulation"):
            rows.append(_row_of_simulations(name, parameter))
            continue
        value = parameter["value"]
        many = isinstance(value, list)
        for index in range(len(value) if many else 1):
            at = component(value, index)
            of_files = parameter.get("true_value")
            true_value = true_values.get(name) if of_files is None else of_files
            if isinstance(true_value, list) and not many:
                true_value = None
            rows.append(
                {
                    "name": component_name(name, value, index),
                    "estimate": _estimate(at, _deviation(parameter, index)),
                    "interval": _interval(parameter.get("interval_90"), index),
                    "std": number(component(parameter.get("std"), index), 2),
                    "unit": parameter.get("unit") or "",
                    "in_files": in_units_of_files(parameter, index),
                    "initial_guess": number(component(parameter.get("initial_guess"), index)),
                    "bounds": _bounds(parameter.get("bounds")),
                    "discretization_error": number(
                        component(parameter.get("discretization_error"), index), 2
                    ),
                    "true_value": _true_value(
                        at,
                        component(true_value, index),
                        "generated with" if of_files is None else "stated:",
                    ),
                    "stated": _stated(at, component(true_value, index)),
                }
            )
    return rows


def in_units_of_files(parameter: Mapping[str, Any], index: int) -> str:
    """The estimate with the files' unit of time, ``60.1 ± 0.2 km²/day``; empty if that is used."""
    found = parameter.get("in_units_of_files")
    at = component((found or {}).get("value"), index)
    if found is None or at is None:
        return ""
    deviation = _deviation(parameter, index)
    spread = None if deviation is None else deviation * found["factor"]
    return f"{estimate(at, spread)} {found['unit']}"


def stated_value(parameter: Mapping[str, Any], index: int) -> str:
    """The value to compare with, and how far the estimate is off; empty where there is none."""
    found = parameter.get("true_value")
    value = component(parameter["value"], index)
    if found is None or isinstance(found, list) != isinstance(parameter["value"], list):
        return ""
    return _stated(value, component(found, index))


def component_name(name: str, value: Any, index: int) -> str:
    """Name of a parameter, or of a component of a vector: ``velocity x``."""
    if not isinstance(value, list):
        return name
    return f"{name} {AXES[index] if len(value) <= 3 else index}"


def with_symbols(
    experiment: Experiment, rows: Sequence[Mapping[str, str]], units: StatedUnits = NO_UNITS
) -> list[dict[str, str]]:
    """The rows with each parameter's symbol in the equation, and rows of the fixed parameters.

    Args:
        experiment: Settings of the experiment.
        rows: Result of :func:`parameter_rows`.
        units: The system of the data.
    """
    section = experiment.model.physical
    spec = built_in_equations().get(section.name) if section is not None else None
    if section is None or spec is None or not rows:
        return [{**row, "symbol": ""} for row in rows]
    found = []
    for row in rows:
        name = row["name"].split(" ")[0]
        symbol = spec.parameters[name].symbol if name in spec.parameters else ""
        found.append({**row, "symbol": symbol})
    shown = {row["name"].split(" ")[0] for row in rows}
    for name, parameter in spec.parameters.items():
        value: Any = section.pde_params.get(name, parameter.default)
        if name in shown:
            continue
        is_known = name in experiment.data.known_parameters
        found.append(
            {
                "name": name,
                "symbol": parameter.symbol,
                "estimate": "from the data" if is_known else f"{number(value)} (fixed)",
                "unit": units.concrete(parameter.unit),
                **_EMPTY,
                "stated": "",
            }
        )
    return found


def _row_of_simulations(name: str, parameter: Mapping[str, Any]) -> dict[str, str]:
    """Row of a parameter with a value for each simulation: median and range of the values."""
    values = [value for value in parameter["value"] if value is not None]
    count = plural(len(values), "simulation")
    described = UNDETERMINED
    if values and isinstance(values[0], list):
        described = f"a value for each of {count}"
    elif values:
        described = (
            f"{number(median(values))} (median of {count}: {number(min(values))} … "
            f"{number(max(values))})"
        )
    return {
        "name": name,
        "estimate": described,
        "unit": parameter.get("unit") or "",
        **_EMPTY,
        "initial_guess": number(parameter.get("initial_guess")),
        "bounds": _bounds(parameter.get("bounds")),
        "stated": "",
        "true_value": f"a value for each of {count}, in per_simulation.csv",
    }


def _field_row(name: str, parameter: Mapping[str, Any]) -> dict[str, str]:
    """Row of a field parameter, with its description and the file of its values."""
    value = parameter["value"]
    described = (
        UNDETERMINED
        if value is None
        else "; ".join(
            f"{key} {f'{len(part)} numbers' if isinstance(part, Mapping) else number(part)}"
            for key, part in value.items()
            if key not in ("file", "sha256")
        )
    )
    learned = len(parameter["labels"])
    return {
        "name": name,
        "estimate": described,
        "unit": parameter.get("unit") or "",
        **_EMPTY,
        "stated": "",
        "true_value": f"a field of {plural(learned, 'learned number')}"
        + (f", in {value['file']}" if value else ""),
    }


def correlation_rows(parameters: Mapping[str, Any]) -> list[dict[str, str]]:
    """The most correlated pairs of parameters."""
    pairs = [
        (first, second, value)
        for first, others in (parameters.get("correlations") or {}).items()
        for second, value in others.items()
    ]
    pairs.sort(key=lambda pair: -abs(pair[2]))
    return [
        {"first": first, "second": second, "correlation": number(round(value, 4), 3)}
        for first, second, value in pairs[:_MOST_PAIRS]
    ]


def least_determined(parameters: Mapping[str, Any]) -> str:
    """One sentence on the combination of parameters whose error is largest."""
    found = parameters.get("least_determined")
    if not found:
        return ""
    changes = " and ".join(
        f"{label} by {number(weight, 2)}" for label, weight in found["weights"].items()
    )
    return (
        f"Least determined: changes of {changes} together. The error along this direction is "
        f"{number(found['condition'], 2)} times that along the best determined one."
    )


def numerics_summary(parameters: Mapping[str, Any]) -> str:
    """One line on the discretization."""
    used = parameters.get("numerics") or {}
    parts = [_scheme(used)] if used.get("scheme") else []
    parts += [str(used[key]) for key in ("time_stepping",) if used.get(key)]
    if used.get("substeps"):
        parts.append(plural(used["substeps"], "step") + " per frame")
    if used.get("precision"):
        parts.append(f"{used['precision']} precision")
    return ", ".join(parts)


def scheme_rows(parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row per compared discretization, with its loss and estimates."""
    return [
        {
            "scheme": _scheme(candidate),
            "loss": _candidate_loss(candidate),
            "parameters": ", ".join(
                f"{name} {number(value)}"
                for name, value in (candidate.get("parameters") or {}).items()
            ),
        }
        for candidate in (parameters.get("numerics") or {}).get("candidates") or []
    ]


def _candidate_loss(candidate: Mapping[str, Any]) -> str:
    if candidate["loss"] is None:
        return "not fitted" if "not_fitted" in candidate else "diverged"
    return number(candidate["loss"], 3) + (" (predicted)" if "not_fitted" in candidate else "")


def rounding_residuals(parameters: Mapping[str, Any]) -> str:
    """A sentence instead of figures where residuals are rounding errors; else empty."""
    loss = parameters.get("loss")
    if loss is None or loss >= ROUNDING**2:
        return ""
    return (
        "The residuals are rounding errors of the data, about "
        f"{number(max(loss, 0.0) ** 0.5, 1)} of the standard deviation: the equation and its "
        "scheme are those that made them."
    )


def _scheme(numerics: Mapping[str, Any]) -> str:
    order = numerics.get("order")
    return str(numerics["scheme"]).replace("_", " ") + (f", order {order}" if order else "")


def _deviation(parameter: Mapping[str, Any], index: int) -> float | None:
    """The uncertainty from all sources; the standard deviation where it is not known."""
    total = parameter.get("uncertainty")
    return component(parameter.get("std") if total is None else total, index)


def _interval(limits: Any, index: int) -> str:
    if limits is None:
        return MISSING
    low, high = (component(limit, index) for limit in limits)
    if low is None and high is None:  # the data set no limits
        return "open"
    if low is None:
        return f"below {number(high)}"
    if high is None:
        return f"above {number(low)}"
    return interval(low, high)


def _estimate(value: float | None, std: float | None) -> str:
    return UNDETERMINED if value is None else estimate(value, std)


def _stated(value: float | None, true_value: float | None) -> str:
    """True value and the relative error of the estimate, for the table."""
    if true_value is None:
        return ""
    if value is None or not true_value:
        return number(true_value)
    return f"{number(true_value)} ({_relative_error(value, true_value)} off)"


def _relative_error(value: float, true_value: float) -> str:
    """In percent; a bound where it is rounding."""
    error = abs(value / true_value - 1)
    return "less than 10⁻⁵ %" if error < ROUNDING else percent(error)


def _true_value(value: float | None, true_value: float | None, origin: str) -> str:
    """The true value with its origin, and the relative error of the estimate."""
    if true_value is None:
        return ""
    if value is None or not true_value:
        return f"{origin} {number(true_value)}"
    return f"{origin} {number(true_value)}; {_relative_error(value, true_value)} error"


def _bounds(bounds: Any) -> str:
    if bounds is None:
        return MISSING
    low, high = bounds
    return f"{'−∞' if low is None else number(low)} … {'∞' if high is None else number(high)}"
