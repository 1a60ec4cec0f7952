"""Records every unit of work that a stage begins and ends: epochs, groups of simulations, files.

It is copied as ``sitecustomize.py`` next to a copy of the project, so that Python runs it in every
stage's program before anything else; the project itself is not changed. The loops of long stages
use ``hybrid_pde.progress.progress``, which is replaced by a version that takes notes, and so is
``os.replace``, which gives every finished file its name.
"""

import json
import os
import re
import sys
import time

LEDGER = os.environ.get("WORK_LEDGER")
PROGRAM = re.compile(r".*workflow/scripts/(\w+)\.py")
SIMULATION = re.compile(r"sim_\d+\.(nc|safetensors)")


def _note(stage, kind, event):
    line = {"time": time.time(), "stage": stage, "kind": kind, "event": event}
    # a single short write in append mode: lines of different processes do not mix
    descriptor = os.open(LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, (json.dumps(line) + "\n").encode())
    os.close(descriptor)


def _install(stage):
    import hybrid_pde.progress

    def progress(iterable, description, total=None, *, quiet=False):
        for item in iterable:
            _note(stage, description, "begun")
            yield item
            _note(stage, description, "ended")  # the next item is requested, so this one is done

    def replace(source, target, **directories):
        rename(source, target, **directories)
        if SIMULATION.fullmatch(os.path.basename(target)):
            _note(stage, "simulation", "ended")

    hybrid_pde.progress.progress = progress
    rename, os.replace = os.replace, replace


if LEDGER and (match := PROGRAM.fullmatch("".join(sys.orig_argv[1:2]))):
    _install(match[1])
