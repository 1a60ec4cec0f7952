"""Warnings about results: issued, recorded, and formatted without a source line."""

import warnings

import pytest

from hybrid_pde.result_warnings import (
    ResultWarning,
    recorded_warnings,
    show_as_messages,
    warn_of_result,
)


def test_a_warning_is_issued_and_recorded_once_in_every_open_record() -> None:
    with pytest.warns(ResultWarning), recorded_warnings() as outer:
        with recorded_warnings() as inner:
            warn_of_result("poor fit")
            warn_of_result("poor fit")
        warn_of_result("on its bound")
    assert inner == ["poor fit"]
    assert outer == ["poor fit", "on its bound"]


def test_only_warnings_about_results_lose_their_source_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    show_as_messages()
    assert warnings.formatwarning("poor fit", ResultWarning, "x.py", 1) == "poor fit"
    assert "x.py:1" in warnings.formatwarning("old", DeprecationWarning, "x.py", 1)
