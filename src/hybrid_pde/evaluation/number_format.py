"""Formatting of numbers for the report and the figures."""

import math
from typing import Any

MISSING = "–"
MINUS = "−"
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
MAX_DIGITS = 8  # of a value, even if its standard deviation is smaller
MAX_DIGITS_OF_INTERVAL = 12
ROUNDING = 1e-7  # of relative errors in single precision
_PLAIN_POWER = 5  # below this power of ten, round numbers have no power
_ROUNDING_TEXT = "10⁻⁷"
LARGEST_GAIN = 1e6  # beyond, the better of two errors is rounding


def number(value: Any, digits: int = 4) -> str:
    """Format with the given significant digits; lists in parentheses, – for missing values."""
    if value is None:
        return MISSING
    if isinstance(value, list | tuple):
        return "(" + ", ".join(number(item, digits) for item in value) + ")"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return _with_power(f"{float(value):.{digits}g}").replace("-", MINUS)


def interval(lower: float | None, upper: float | None, digits: int = 2) -> str:
    """``0.00998 … 0.01006``: both ends to as many decimals as their distance has digits."""
    if lower is None or upper is None or not math.isfinite(width := upper - lower) or width <= 0:
        return f"{number(lower, MAX_DIGITS)} … {number(upper, MAX_DIGITS)}"
    largest = max(abs(lower), abs(upper))
    needed = math.floor(math.log10(largest)) - math.floor(math.log10(width)) + digits
    shown = min(max(needed, digits), MAX_DIGITS_OF_INTERVAL)
    return f"{number(lower, shown)} … {number(upper, shown)}"


def estimate(value: float | None, std: float | None) -> str:
    """``0.01002 ± 0.00013``: standard deviation to two digits, the value to the same decimals."""
    if value is None:
        return MISSING
    if std is None or not math.isfinite(std) or std <= 0:
        return number(value, 5)
    power = math.floor(math.log10(abs(value))) if value else math.floor(math.log10(std))
    scale = power if power < -3 or power > 4 else 0
    decimals = 1 - math.floor(math.log10(std)) + scale
    if decimals - scale + power >= MAX_DIGITS:
        return f"{number(value, MAX_DIGITS)} ± {number(std, 2)}"
    decimals = max(0, decimals)
    text = f"{value / 10**scale:.{decimals}f} ± {std / 10**scale:.{decimals}f}"
    text = text.replace("-", MINUS)
    return f"({text}) × 10{str(scale).translate(SUPERSCRIPTS)}" if scale else text


def mean_error(value: float | None, diverged: int) -> str:
    """A mean error; ∞ if it is missing because a simulation diverged.

    An error of the size of rounding in single precision, in which data are stored and surrogates
    compute, is given as a bound.
    """
    if value is not None and value < ROUNDING:
        return f"<\N{NO-BREAK SPACE}{_ROUNDING_TEXT}"
    return "∞" if value is None and diverged else number(value, 3)


def compared(gain: float) -> str:
    """Comparison of two errors in words, ``13 × better``, from their ratio."""
    better, worse = number(gain, 3), number(1 / gain, 3)
    if "1" in (better, worse):
        return "no better"
    if gain > LARGEST_GAIN:
        return "more than 10⁶ × better"
    return f"{better} × better" if gain > 1 else f"{worse} × worse"


def plural(count: int, noun: str) -> str:
    """A count with its noun, e.g. ``3 simulations``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def percent(share: float) -> str:
    """A share in percent with two significant digits, from 100 % on without a power of ten."""
    value = 100 * share
    return f"{value:.0f} %" if 99.5 <= value < 1e5 else f"{number(value, 2)} %"


def duration(seconds: float) -> str:
    """A duration in a suitable unit."""
    if seconds < 1e-3:
        return f"{1e6 * seconds:.3g} µs"
    if seconds < 1:
        return f"{1e3 * seconds:.3g} ms"
    if seconds < 100:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _with_power(text: str) -> str:
    mantissa, _, exponent = text.partition("e")
    if exponent and 0 <= int(exponent) < _PLAIN_POWER:
        return f"{float(text):.0f}"
    return f"{mantissa} × 10{str(int(exponent)).translate(SUPERSCRIPTS)}" if exponent else text
