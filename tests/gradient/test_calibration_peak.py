"""Peak memory of whole calibrations, each in a process of its own."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.gradient.calibration_peak import STATUS

pytestmark = pytest.mark.skipif(not STATUS.exists(), reason="needs /proc/self/status of Linux")

GIGABYTE = 10**9


def peak_of(points: int, frames: int, scheme: str) -> int:
    """Memory beyond that of the imports [bytes]."""
    program = [sys.executable, "-m", "tests.gradient.calibration_peak"]
    arguments = [str(points), str(frames), scheme]
    ran = subprocess.run(
        [*program, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=900, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return int(ran.stdout.split()[-1])


def test_a_refined_grid_of_many_points_takes_little_memory() -> None:
    # The finer grid of the discretization check has twice the points.
    assert peak_of(800, 8, "spectral") < 0.6 * GIGABYTE


@pytest.mark.nightly
def test_a_long_simulation_with_all_schemes_takes_less_than_a_gigabyte() -> None:
    assert peak_of(1024, 251, "auto") < GIGABYTE
