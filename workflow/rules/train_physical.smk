rule train_physical:
    input:
        cache=cached("physical", "train_sim"),
        sensors=lambda wildcards: plan_of(wildcards).sensor_files(),
    output:
        parameters="results/{experiment}/physical/parameters.yaml",
        history="results/{experiment}/physical/history.csv",
    log:
        "results/{experiment}/logs/train_physical.log",
    benchmark:
        "results/{experiment}/benchmarks/train_physical.tsv"
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        cfg=stage_cfg("train_physical"),
        code=stage_code("train_physical"),
    message:
        "calibrate the physical model of {wildcards.experiment}"
    shell:
        "python -m workflow.scripts.train_physical --settings {params.cfg:q} --cache {input.cache:q}"
        " --parameters {output.parameters:q} --history {output.history:q}"
        " --threads {threads} --log {log:q}"
