"""The check of speed in CI: a loss of speed is reported, a busy moment is not."""

import json

from benchmarks.speed.__main__ import RECORD, quick_checks, slower_than_recorded
from benchmarks.speed.ratios import Ratio

RECORDED = json.loads(RECORD.read_text(encoding="utf-8"))["differences"]["measured"][0]


def measuring(*shares):
    """A check that finds these shares of the recorded ratio, one after the other."""
    found = iter(shares)

    def check() -> Ratio:
        return Ratio(**{**RECORDED, "ratio": next(found) * RECORDED["ratio"]})

    return check


def test_a_ratio_that_is_low_once_is_measured_again():
    assert slower_than_recorded([measuring(0.6), measuring(0.3, 0.9)]) == []


def test_a_ratio_that_stays_low_is_reported():
    (said,) = slower_than_recorded([measuring(0.3, 0.4)])
    assert RECORDED["what"] in said and RECORDED["against"] in said


def test_there_is_a_rollout_and_a_training():
    assert len(list(quick_checks())) == 2
