"""Settings and fixtures shared by all tests."""

import ctypes
import gc
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

# tests run in parallel; a thread pool in each worker would slow all of them down
os.environ.setdefault("OMP_NUM_THREADS", "1")

# as in a terminal: a shell starts background jobs, and so their children, with Ctrl-C ignored
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parents[1]
# lets programs started by tests import the project even if it is not installed
os.environ["PYTHONPATH"] = f"{ROOT}{os.pathsep}{ROOT / 'src'}"
MUCH_MEMORY = 1_000_000_000  # of a worker [bytes]
SHARED_DATA = Path(os.environ.get("HYBRID_SHARED_DATA", ROOT.parent / "shared" / "data"))


# folders with tests of half a minute
FIRST = ("workflow", "docs", "resilience", "slurm", "learning", "gradient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run long tests first, so that all workers end at nearly the same time."""
    tests = ROOT / "tests"
    items.sort(key=lambda item: item.path.relative_to(tests).parts[0] not in FIRST)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of public sample data, which is not part of the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"public sample data are not in {SHARED_DATA}; set HYBRID_SHARED_DATA")
    return SHARED_DATA


@pytest.fixture(autouse=True, scope="module")
def memory_given_back() -> Iterator[None]:
    """Free the memory of a test module, which takes a while, where a worker has grown."""
    yield
    if psutil.Process().memory_info().rss < MUCH_MEMORY:
        return
    gc.collect()  # graphs of time steps are parts of cycles
    if sys.platform == "linux":  # otherwise glibc keeps the freed memory
        ctypes.CDLL(None).malloc_trim(0)
