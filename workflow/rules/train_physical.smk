rule train_physical:
    input:
        unpack(inputs_of("train_physical")),
    output:
        parameters="results/{run}/physical/parameters.yaml",
        history="results/{run}/physical/history.csv",
    log:
        "results/{run}/logs/train_physical.log",
    benchmark:
        "results/{run}/benchmarks/train_physical.tsv"
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        mem_mb=per_attempt(8000),
        runtime=per_attempt(240),
        checkpoint_every_s=checkpoint_every_s,
        compile=compile_steps,
        scripts=SCRIPTS,
    params:
        cfg=stage_cfg("train_physical"),
        code=stage_code("train_physical"),
    message:
        "calibrate the physical model of {wildcards.run}"
    shell:
        "{resources.scripts}/train_physical.py --settings {params.cfg:q} --code {params.code}"
        " --cache {input.cache:q}"
        " --previous {input.previous:q} --guidance {input.guidance:q}"
        " --parameters {output.parameters:q} --history {output.history:q}"
        " --checkpoints results/{wildcards.run}/checkpoints"
        " --checkpoint-every-s {resources.checkpoint_every_s}"
        " --threads {threads} --compile {resources.compile} --log {log:q}"
