"""Settings and fixtures shared by all tests."""

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# tests run side by side; a thread pool in each of them would be slower than none
os.environ.setdefault("OMP_NUM_THREADS", "1")

# as in a terminal: a shell starts its background jobs with Ctrl-C ignored, and so are theirs
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parents[1]
# programs that tests start find the project, whether it is installed or not
os.environ["PYTHONPATH"] = f"{ROOT}{os.pathsep}{ROOT / 'src'}"
SHARED_DATA = Path(os.environ.get("HYBRID_SHARED_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of public sample data, which is no part of the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"public sample data are not in {SHARED_DATA}; set HYBRID_SHARED_DATA")
    return SHARED_DATA


@pytest.fixture(autouse=True, scope="module")
def compiled_steps_freed() -> Iterator[None]:
    """Free the time steps that a module's tests have compiled, so that a worker stays small."""
    yield
    if "hybrid_pde.models.physical.compiled_steps" in sys.modules:
        sys.modules["hybrid_pde.models.physical.compiled_steps"].release_compiled_steps()
        if sys.platform == "linux":  # glibc keeps what is freed otherwise
            ctypes.CDLL(None).malloc_trim(0)
