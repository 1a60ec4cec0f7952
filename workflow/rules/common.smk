import shlex
from pathlib import Path

from hybrid_pde.workflow import stage_inputs
from hybrid_pde.domain.run_folders import Run

ENVIRONMENT = "../envs/environment.yaml"

# The interpreter that runs Snakemake has the packages, whatever `python` means in the shell.
# A scheduler ends a job by SIGTERM to all of its processes; the shell takes it and waits, since
# Snakemake would else give up the stage's program, which is still saving.
shell.prefix(
    f"set -euo pipefail; trap : TERM; export PYTHONPATH={shlex.quote(str(workflow.basedir))}:{shlex.quote(str(workflow.basedir))}/src; "
    f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; "
)


def run_of(wildcards):
    """The cycle or replicate of a file in results/<run>; elsewhere the experiment itself."""
    return Run.parse(wildcards.get("run", wildcards.get("experiment")))


def plan_of(wildcards):
    """The experiment of a file in results/<experiment> or results/<run>."""
    try:
        return PLANS[run_of(wildcards).experiment]
    except UserError as error:
        raise WorkflowError(str(error)) from None


def stage_cfg(stage):
    """The settings on which the stage's result depends."""
    return lambda wildcards: plan_of(wildcards).settings(stage, run_of(wildcards))


def stage_code(stage):
    """A digest of the code that the stage runs."""
    return lambda wildcards: plan_of(wildcards).code(stage)


def inputs_of(stage):
    """What a stage reads, by name."""

    def inputs(wildcards):
        return getattr(stage_inputs, stage)(plan_of(wildcards), run_of(wildcards))

    return inputs


def per_attempt(amount):
    """So much at the first attempt, and as much again at every retry."""
    return lambda wildcards, attempt: amount * attempt


def checkpoint_every_s(wildcards):
    """How often progress is saved: a resource, since it changes no result as params would."""
    return int(plan_of(wildcards).experiment.workflow.checkpoint_every_s)


def shard_of(wildcards):
    """First and last simulation of a shard."""
    first, last = wildcards.shard.split("-")
    return int(first), int(last)


def plan_by(attribute, directory):
    """The experiment with this cache or raw folder."""
    try:
        return PLANS.by_directory(attribute, directory)
    except UserError as error:
        raise WorkflowError(str(error)) from None


def default_results(wildcards):
    """The default experiment's surrogate, with its evaluation and its report."""
    plan = PLANS.default
    if plan.experiment.run_params.model_type == "physical":
        raise WorkflowError(
            f"{plan.path}: run_params.model_type: 'physical': trains no synthetic model; "
            f"ask for {plan.results}/physical/parameters.yaml"
        )
    return {
        "model": f"{plan.results}/synthetic_model.pt",
        "metrics": f"{plan.results}/evaluation/metrics.json",
        "report": f"{plan.results}/report.html",
    }


def default_target(wildcards):
    """What plain `snakemake` makes."""
    plan = PLANS.default
    if plan.experiment.run_params.model_type == "physical":
        return [
            f"{plan.results}/physical/parameters.yaml",
            f"{plan.results}/report.html",
        ]
    return "results/synthetic_model.pt"
