rule reuse:
    input:
        unpack(inputs_of("reuse")),
    output:
        parameters="results/{experiment}/physical/parameters.yaml",
        history="results/{experiment}/physical/history.csv",
    log:
        "results/{experiment}/logs/reuse.log",
    benchmark:
        "results/{experiment}/benchmarks/reuse.tsv"
    wildcard_constraints:
        experiment=PLANS.reuse_pattern(),
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=per_attempt(1000),
        runtime=per_attempt(10),
        scripts=SCRIPTS,
    params:
        cfg=stage_cfg("reuse"),
        code=stage_code("reuse"),
    message:
        "take over the calibration for {wildcards.experiment}"
    shell:
        "{resources.scripts}/reuse.py --settings {params.cfg:q}"
        " --parameters {input.parameters:q} --output {output.parameters:q}"
        " --threads {threads} --log {log:q}"
