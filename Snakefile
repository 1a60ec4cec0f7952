"""From raw files to a calibrated physical model and a surrogate trained with its help.

snakemake --cores 8 results/synthetic_model.pt            the default experiment
snakemake --cores 8 results/<name>/synthetic_model.pt     that of config/<name>.yaml
snakemake --cores 8 --config experiment=<name or path>    another default
snakemake --cores 8 --config data='{data_dir: /archive}'  settings of the default experiment
"""

import atexit
import logging
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.settings.types import ExecMode
from snakemake.utils import min_version

min_version("9.0")
logging.raiseExceptions = False  # Snakemake's own log may lie on a disk that is full
sys.path.insert(0, f"{workflow.basedir}/src")

from hybrid_pde.data.atomic import refuse_unwritable
from hybrid_pde.training.finished_checkpoints import remove_finished_checkpoints
from hybrid_pde.errors import UserError
from hybrid_pde.workflow.folder_checks import (
    makes_nothing,
    only_pinned,
    refuse_unusable,
    told_versions,
)
from hybrid_pde.workflow.requested_experiments import Plans
from hybrid_pde.workflow.launch_record import Started

DRY_RUN = workflow.output_settings.dryrun
# a call of the user's, not what it starts for each job
MAKES = (
    workflow.exec_mode == ExecMode.DEFAULT
    and not DRY_RUN
    and not makes_nothing(sys.argv[1:])
)
try:
    if MAKES:
        refuse_unwritable(Path.cwd())
    PLANS = Plans(config, claim=not DRY_RUN)
    if MAKES:
        refuse_unusable(Path.cwd(), sys.argv[1:], PLANS)
    if MAKES or DRY_RUN:
        if only_pinned(sys.argv[1:], PLANS):
            logger.info("Nothing to be done (all requested files are pinned).")
            sys.exit(0)
        for sentence in told_versions(sys.argv[1:], PLANS):
            logger.warning(sentence)
except UserError as error:
    raise WorkflowError(str(error)) from None


# only a call of the user's that has jobs to do
onstart:
    STARTED = Started(Path.cwd())
    STARTED.begin()
    atexit.register(STARTED.end)


# not when a training ends: its job may be ended after it, and be begun again
onsuccess:
    remove_finished_checkpoints(Path("results"))


wildcard_constraints:
    experiment=PLANS.experiment_pattern(),
    run=PLANS.run_pattern(),
    shard=r"\d{6}-\d{6}",


include: "workflow/rules/common.smk"


# here, since Snakemake takes no default target from an included file
rule all:
    input:
        default_target,
    localrule: True


include: "workflow/rules/targets.smk"
include: "workflow/rules/simulate.smk"
include: "workflow/rules/cache.smk"
include: "workflow/rules/train_physical.smk"
include: "workflow/rules/augment.smk"
include: "workflow/rules/train_synthetic.smk"
include: "workflow/rules/guide.smk"
include: "workflow/rules/hybrid.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"
