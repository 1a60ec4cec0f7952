"""Settings and fixtures shared by all tests."""

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# tests run in parallel; a thread pool in each worker would slow all of them down
os.environ.setdefault("OMP_NUM_THREADS", "1")

# as in a terminal: a shell starts background jobs, and so their children, with Ctrl-C ignored
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parents[1]
# lets programs started by tests import the project even if it is not installed
os.environ["PYTHONPATH"] = f"{ROOT}{os.pathsep}{ROOT / 'src'}"
SHARED_DATA = Path(os.environ.get("HYBRID_SHARED_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of public sample data, which is not part of the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"public sample data are not in {SHARED_DATA}; set HYBRID_SHARED_DATA")
    return SHARED_DATA


@pytest.fixture(autouse=True, scope="module")
def compiled_steps_freed() -> Iterator[None]:
    """Free the compiled time steps after each test module to limit a worker's memory."""
    yield
    if "hybrid_pde.models.physical.compiled_steps" in sys.modules:
        sys.modules["hybrid_pde.models.physical.compiled_steps"].release_compiled_steps()
        if sys.platform == "linux":  # otherwise glibc keeps the freed memory
            ctypes.CDLL(None).malloc_trim(0)
