"""What all tests share."""

import os
from pathlib import Path

import pytest

# tests run side by side; a thread pool in each of them would be slower than none
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = Path(os.environ.get("HYBRID_SHARED_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of public sample data, which is no part of the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"public sample data are not in {SHARED_DATA}; set HYBRID_SHARED_DATA")
    return SHARED_DATA
