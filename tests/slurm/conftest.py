"""Fixture for tests that need the Slurm test cluster."""

import os

import pytest

from tests.slurm.cluster import is_up


@pytest.fixture(scope="session")
def slurm() -> None:
    """Skip the test if the cluster is not up; fail if ``HYBRID_NEEDS_SLURM`` is set."""
    if not is_up():
        missing = "no test cluster: `python3 tests/slurm/cluster.py start` as root starts one"
        (pytest.fail if os.environ.get("HYBRID_NEEDS_SLURM") else pytest.skip)(missing)
