"""One thin command-line program for each rule; each is started by its path."""

import signal
import sys
from pathlib import Path

_SCRIPTS = Path(__file__).resolve().parent
_LIBRARY = str(_SCRIPTS.parents[1] / "src")

if _LIBRARY not in sys.path:  # the repository's own, installed or not
    sys.path.insert(0, _LIBRARY)

# A program that is just being started imports for seconds and has nothing to save: Ctrl-C ends it
# without the traceback of a KeyboardInterrupt.
if (
    Path(sys.argv[0]).resolve().parent == _SCRIPTS
    and signal.getsignal(signal.SIGINT) == signal.default_int_handler
):
    signal.signal(signal.SIGINT, signal.SIG_DFL)
