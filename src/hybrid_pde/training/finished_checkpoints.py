"""Deletion of the checkpoints of finished trainings.

Apart from the other checkpoint modules because the Snakefile imports it, which must not load torch.
"""

import shutil
from pathlib import Path

# file in a checkpoint folder: the training's result is written
FINISHED = "finished"


def remove_finished_checkpoints(results: Path) -> None:
    """Delete the checkpoints of finished trainings in all folders below.

    Call it when the workflow or ``run.py`` has registered the results. A job that is killed after
    it has written its result, but before it is registered, starts again and needs them.
    """
    for mark in results.glob(f"**/checkpoints/*/{FINISHED}"):
        shutil.rmtree(mark.parent, ignore_errors=True)
