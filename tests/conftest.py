"""What all tests share."""

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
    """What a module's tests have compiled is freed after them: a worker stays below 2 GB."""
    yield
    if "torch" in sys.modules:  # which takes seconds to import, and its threads from above
        from tests.compiled_steps import free_compiled_steps

        free_compiled_steps()
