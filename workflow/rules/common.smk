import shlex
from pathlib import Path

from snakemake.settings.types import DeploymentMethod

from hybrid_pde.workflow import stage_inputs
from hybrid_pde.domain.run_folders import Run
from hybrid_pde.workflow.live_processes import SHELL_PREFIX
from hybrid_pde.workflow.settings_file import settings_file

ENVIRONMENT = "../envs/environment.yaml"

if workflow.deployment_settings.deployment_method & {
    DeploymentMethod.CONDA,
    DeploymentMethod.APPTAINER,
}:
    PYTHON, SEARCH_PATH = "python", '"$PATH"'  # those of the environment
else:
    # the interpreter that runs Snakemake has the packages, whatever `python` means in the shell
    PYTHON = shlex.quote(sys.executable)
    SEARCH_PATH = f'{shlex.quote(str(Path(sys.executable).parent))}:"$PATH"'

# Interpreter and folder of the stages' programs. A resource, since in the shell command it would
# re-run everything in a project that was moved; one for all rules, since jobs of a group share it.
SCRIPTS = f"{PYTHON} {shlex.quote(f'{workflow.basedir}/workflow/scripts')}"

# A scheduler ends a job by SIGTERM to all of its processes. The shell takes it and waits:
# otherwise Snakemake gives up the program, which is still saving.
shell.prefix(SHELL_PREFIX)


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
    """File with the settings that the stage's result depends on, named by their digest."""
    return lambda wildcards: cfg_file(
        stage, plan_of(wildcards).settings(stage, run_of(wildcards))
    )


def cfg_file(stage, settings):
    """File with settings; a dry run writes none."""
    try:
        return settings_file(stage, settings, write=not DRY_RUN)
    except UserError as error:
        raise WorkflowError(str(error)) from None


def stage_code(stage):
    """Digest of the code that the stage runs."""
    return lambda wildcards: plan_of(wildcards).code(stage)


def inputs_of(stage):
    """Input files of a stage, by name."""

    def inputs(wildcards):
        return getattr(stage_inputs, stage)(plan_of(wildcards), run_of(wildcards))

    return inputs


def per_attempt(amount):
    """This amount for the first attempt, and as much more for every retry."""
    return lambda wildcards, attempt: amount * attempt


def checkpoint_every_s(wildcards):
    """Seconds between checkpoints: a resource, because no result depends on it."""
    return int(plan_of(wildcards).experiment.workflow.checkpoint_every_s)


def compile_steps(wildcards):
    """Mode of compiling time steps: a resource, because no result depends on it."""
    return plan_of(wildcards).experiment.workflow.compile


def shard_of(wildcards):
    """Indices of the first and the last simulation of a shard."""
    first, last = wildcards.shard.split("-")
    return int(first), int(last)


def plan_by(attribute, directory):
    """The experiment with this folder as its ``cache_dir`` or ``raw_dir``."""
    try:
        return PLANS.by_directory(attribute, directory)
    except UserError as error:
        raise WorkflowError(str(error)) from None


def default_results(wildcards):
    """Surrogate, evaluation and report of the default experiment."""
    plan = PLANS.default
    if plan.experiment.run_params.model_type == "physical":
        raise WorkflowError(
            f"{plan.path}: run_params.model_type: 'physical': trains no synthetic model; "
            f"request {plan.results}/physical/parameters.yaml"
        )
    return {
        "model": f"{plan.results}/synthetic_model.pt",
        "metrics": f"{plan.results}/evaluation/metrics.json",
        "report": f"{plan.results}/report.html",
    }


def default_target(wildcards):
    """The target of plain `snakemake`."""
    plan = PLANS.default
    if plan.experiment.run_params.model_type == "physical":
        return [
            f"{plan.results}/physical/parameters.yaml",
            f"{plan.results}/report.html",
        ]
    return "results/synthetic_model.pt"
