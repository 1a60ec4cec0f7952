import shlex
from pathlib import Path

ENVIRONMENT = "../envs/environment.yaml"

# the interpreter that runs Snakemake has the packages, whatever `python` means in the shell
shell.prefix(
    f"set -euo pipefail; export PYTHONPATH={shlex.quote(str(workflow.basedir))}; "
    f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; "
)


def plan_of(wildcards):
    """The experiment of a file in results/<experiment>."""
    try:
        return PLANS[wildcards.experiment]
    except UserError as error:
        raise WorkflowError(str(error)) from None


def stage_cfg(stage):
    """The settings on which the stage's result depends."""
    return lambda wildcards: plan_of(wildcards).settings(stage)


def stage_code(stage):
    """A digest of the code that the stage runs."""
    return lambda wildcards: plan_of(wildcards).code(stage)


def cached(stage, *kinds):
    """Manifests of the cached simulations that a stage reads."""

    def manifests(wildcards):
        plan = plan_of(wildcards)
        return plan.cache_manifests(plan.simulations(stage, kinds))

    return manifests


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
