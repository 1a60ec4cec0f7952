"""Numbers, estimates, intervals and durations as text."""

import pytest

from hybrid_pde.evaluation.number_format import duration, estimate, interval, number


@pytest.mark.parametrize(
    ("value", "std", "expected"),
    [
        (0.010012, 3.4e-5, "0.010012 ± 0.000034"),
        (1.23456, 0.0678, "1.235 ± 0.068"),
        (123.456, 12.0, "123 ± 12"),
        (1.234e-6, 5.6e-8, "(1.234 ± 0.056) × 10⁻⁶"),
        (0.1, 1e-14, "0.1 ± 1 × 10⁻¹⁴"),
        (0.1, None, "0.1"),
        (0.0, 0.5, "0.00 ± 0.50"),
        (None, None, "–"),
    ],
)
def test_estimates_show_two_digits_of_the_standard_deviation(
    value: float | None, std: float | None, expected: str
) -> None:
    assert estimate(value, std) == expected


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ((0.00993, 0.010094), "0.00993 … 0.01009"),
        ((0.04999999917, 0.05000000082), "0.0499999992 … 0.0500000008"),
        ((-1.23456, 2.0), "−1.2 … 2"),
        ((0.1, 0.1), "0.1 … 0.1"),
        ((None, 2.0), "– … 2"),
    ],
)
def test_intervals_show_two_digits_of_their_width(
    limits: tuple[float | None, float | None], expected: str
) -> None:
    assert interval(*limits) == expected


def test_negative_numbers_have_a_minus_sign() -> None:
    assert number(-0.25) == "−0.25"
    assert estimate(-1.5, 0.1) == "−1.50 ± 0.10"


def test_numbers_and_durations_are_readable() -> None:
    assert number(1.5e-7) == "1.5 × 10⁻⁷"
    assert number([1, None]) == "(1, –)"
    assert [duration(seconds) for seconds in (2e-5, 0.012, 3.14159, 600, 7200)] == [
        "20 µs", "12 ms", "3.14 s", "10 min", "2.0 h",
    ]  # fmt: skip
