"""From raw files to a calibrated physical model and a surrogate trained with its help.

snakemake --cores 8 results/synthetic_model.pt            the default experiment
snakemake --cores 8 results/<name>/synthetic_model.pt     the experiment config/<name>.yaml
snakemake --cores 8 --config experiment=<name or path>    another default experiment
snakemake --cores 8 --config data='{data_dir: /archive}'  settings of the default experiment
"""

import atexit
import logging
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.settings.types import ExecMode
from snakemake.utils import min_version

min_version("9.0")
logging.raiseExceptions = False  # Snakemake's own log may be on a full disk
sys.path.insert(0, f"{workflow.basedir}/src")

from hybrid_pde.interruption import end_without_traceback

# while the experiments are read; Snakemake handles Ctrl-C when it runs jobs
accept_interrupts = end_without_traceback()

from hybrid_pde.data.atomic import refuse_unwritable
from hybrid_pde.data.cache.numbering import note_planned
from hybrid_pde.training.finished_checkpoints import remove_finished_checkpoints
from hybrid_pde.errors import UserError, make_log_printable
from hybrid_pde.workflow.end_of_run import failures, summaries
from hybrid_pde.workflow.folder_checks import (
    all_targets_pinned,
    check_folder,
    only_inspects,
    requested_plans,
    version_warnings,
)
from hybrid_pde.workflow.job_names import check_own_paths
from hybrid_pde.workflow.launch_record import LaunchRecord
from hybrid_pde.workflow.requested_experiments import RequestedExperiments

make_log_printable()
DRY_RUN = workflow.output_settings.dryrun
# a call by the user, not one that Snakemake starts for a job
RUNS_JOBS = (
    workflow.exec_mode == ExecMode.DEFAULT
    and not DRY_RUN
    and not only_inspects(sys.argv[1:])
)
try:
    check_own_paths(
        Path(workflow.basedir), Path.cwd(), *map(Path, workflow.overwrite_configfiles)
    )
    if RUNS_JOBS:
        refuse_unwritable(Path.cwd())
    # the shell's folder, which `--directory` leaves; jobs on other machines inherit the variable
    started_in = os.environ.setdefault(
        "HYBRID_PDE_STARTED_IN", os.environ.get("PWD", "")
    )
    PLANS = RequestedExperiments(config, claim=not DRY_RUN, started_in=Path(started_in))
    if RUNS_JOBS:
        check_folder(Path.cwd(), sys.argv[1:], PLANS)
        note_planned(
            plan.index
            for plan in requested_plans(sys.argv[1:], PLANS)
            if not plan.is_generated
        )
    if RUNS_JOBS or DRY_RUN:
        if all_targets_pinned(sys.argv[1:], PLANS):
            logger.info("Nothing to be done (all requested files are pinned).")
            sys.exit(0)
        for sentence in version_warnings(sys.argv[1:], PLANS):
            logger.warning(sentence)
except UserError as error:
    raise WorkflowError(str(error)) from None


# only in a call by the user that has jobs to run
onstart:
    accept_interrupts()
    record = LaunchRecord(Path.cwd())
    record.begin()
    atexit.register(record.end)


# not at the end of a training: its job may still be killed and started again
onsuccess:
    for plan in requested_plans(sys.argv[1:], PLANS):
        remove_finished_checkpoints(Path(plan.results))
    for text in summaries(requested_plans(sys.argv[1:], PLANS)):
        logger.info(text)


# what the stage itself said, at exit: after all that Snakemake says
onerror:
    for text in failures(map(Path, [log] if isinstance(log, str) else log)):
        atexit.register(print, f"\nERROR: {text}", file=sys.stderr, flush=True)


report: "workflow/report/workflow.rst"


wildcard_constraints:
    experiment=PLANS.experiment_pattern(),
    run=PLANS.run_pattern(),
    shard=r"\d{6}-\d{6}",


include: "workflow/rules/common.smk"


# here, because Snakemake ignores a default target in an included file
rule all:
    input:
        default_target,
    localrule: True


include: "workflow/rules/targets.smk"
include: "workflow/rules/simulate.smk"
include: "workflow/rules/cache.smk"
include: "workflow/rules/calibrate.smk"
include: "workflow/rules/train_physical.smk"
include: "workflow/rules/augment.smk"
include: "workflow/rules/train_synthetic.smk"
include: "workflow/rules/guide.smk"
include: "workflow/rules/hybrid.smk"
include: "workflow/rules/reuse.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"
