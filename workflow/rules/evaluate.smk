rule evaluate:
    input:
        unpack(lambda wildcards: plan_of(wildcards).evaluation_inputs()),
    output:
        metrics="results/{experiment}/evaluation/metrics.json",
        rollouts="results/{experiment}/evaluation/rollouts.nc",
        curves="results/{experiment}/evaluation/error_by_lead_time.png",
        fields="results/{experiment}/evaluation/fields.png",
        animation="results/{experiment}/evaluation/rollout.gif",
    log:
        "results/{experiment}/logs/evaluate.log",
    benchmark:
        "results/{experiment}/benchmarks/evaluate.tsv"
    threads: 4
    resources:
        mem_mb=8000,
        runtime=120,
    params:
        cfg=stage_cfg("evaluate"),
        code=stage_code("evaluate"),
    message:
        "evaluate {wildcards.experiment} on held-out simulations"
    conda:
        ENVIRONMENT
    shell:
        "python -m workflow.scripts.evaluate --settings {params.cfg:q} --cache {input.cache:q}"
        " --model {input.model:q} --parameters {input.parameters:q} --metrics {output.metrics:q}"
        " --rollouts {output.rollouts:q} --curves {output.curves:q} --fields {output.fields:q}"
        " --animation {output.animation:q} --threads {threads} --log {log:q}"
