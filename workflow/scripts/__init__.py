"""One thin command-line program a rule."""

import signal
import sys

# A program that is just being started (``python -m``) imports for seconds and has nothing to save:
# Ctrl-C ends it without the traceback of a KeyboardInterrupt.
if sys.argv[0] == "-m" and signal.getsignal(signal.SIGINT) == signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
