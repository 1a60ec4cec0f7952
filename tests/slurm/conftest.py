"""Fixture for tests that need the Slurm test cluster."""

import os

import pytest

from tests.slurm.cluster import is_up


@pytest.fixture(scope="session")
def slurm() -> None:
    """Skip the test unless ``HYBRID_NEEDS_SLURM`` is set; then fail if the cluster is not up."""
    if not os.environ.get("HYBRID_NEEDS_SLURM"):
        pytest.skip(
            "needs a cluster: `python3 tests/slurm/cluster.py start` as root, then "
            "`HYBRID_NEEDS_SLURM=1 make test`"
        )
    if not is_up():
        pytest.fail("no test cluster: `python3 tests/slurm/cluster.py start` as root starts one")
