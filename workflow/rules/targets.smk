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
        return [f"{plan.results}/physical/parameters.yaml", f"{plan.results}/report.html"]
    return "results/synthetic_model.pt"


rule all:
    default_target: True
    localrule: True
    input:
        default_target,


rule synthetic_model:
    input:
        unpack(default_results),
    output:
        "results/synthetic_model.pt",
    log:
        "results/logs/synthetic_model.log",
    benchmark:
        "results/benchmarks/synthetic_model.tsv"
    localrule: True
    threads: 1
    resources:
        mem_mb=100,
        runtime=5,
    params:
        cfg="{}",
        code="copy",
    message:
        "copy {input.model} to {output}"
    conda:
        ENVIRONMENT
    shell:
        "(cp {input.model:q} {output:q}.partial && mv {output:q}.partial {output:q}) 2> {log:q}"
