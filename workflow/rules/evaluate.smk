rule evaluate:
    input:
        unpack(inputs_of("evaluate")),
    output:
        metrics="results/{experiment}/evaluation/metrics.json",
        timing="results/{experiment}/evaluation/timing.json",
        rollouts="results/{experiment}/evaluation/rollouts.nc",
        frames="results/{experiment}/evaluation/frames.json",
        curves=report(
            "results/{experiment}/evaluation/error_curves.png",
            caption="../report/error_curves.rst",
            category="Evaluation",
            subcategory="{experiment}",
        ),
        diagnostics=report(
            "results/{experiment}/evaluation/diagnostics.png",
            caption="../report/diagnostics.rst",
            category="Evaluation",
            subcategory="{experiment}",
        ),
        prediction=report(
            "results/{experiment}/evaluation/prediction.png",
            caption="../report/prediction.rst",
            category="Evaluation",
            subcategory="{experiment}",
        ),
        animation=report(
            "results/{experiment}/evaluation/animation.gif",
            caption="../report/animation.rst",
            category="Evaluation",
            subcategory="{experiment}",
        ),
    log:
        "results/{experiment}/logs/evaluate.log",
    benchmark:
        "results/{experiment}/benchmarks/evaluate.tsv"
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        mem_mb=per_attempt(8000),
        runtime=per_attempt(120),
        compile=compile_steps,
        scripts=SCRIPTS,
    params:
        cfg=stage_cfg("evaluate"),
        code=stage_code("evaluate"),
    message:
        "evaluate {wildcards.experiment} on held-out simulations"
    shell:
        "{resources.scripts}/evaluate.py --settings {params.cfg:q} --cache {input.cache:q}"
        " --model {input.model:q} --parameters {input.parameters:q}"
        " --output results/{wildcards.experiment}/evaluation"
        " --threads {threads} --compile {resources.compile} --log {log:q}"
