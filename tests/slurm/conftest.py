"""Whether there is a Slurm to test with."""

import os

import pytest

from tests.slurm.cluster import is_up


@pytest.fixture(scope="session")
def slurm() -> None:
    """The test cluster is up; it is no skip but a failure where ``HYBRID_NEEDS_SLURM`` is set."""
    if not is_up():
        missing = "no test cluster: `python3 tests/slurm/cluster.py start` as root starts one"
        (pytest.fail if os.environ.get("HYBRID_NEEDS_SLURM") else pytest.skip)(missing)
