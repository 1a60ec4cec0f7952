"""One thin command-line program for each rule; each is started by its path."""

import sys
from pathlib import Path

_SCRIPTS = Path(__file__).resolve().parent
_LIBRARY = str(_SCRIPTS.parents[1] / "src")

if _LIBRARY not in sys.path:  # the repository's own, installed or not
    sys.path.insert(0, _LIBRARY)

if Path(sys.argv[0]).resolve().parent == _SCRIPTS:  # it imports for seconds
    from hybrid_pde.interruption import end_without_traceback

    end_without_traceback()
