rule guide:
    input:
        unpack(inputs_of("guide")),
    output:
        "results/{run}/guidance/guidance.json",
    log:
        "results/{run}/logs/guide.log",
    benchmark:
        "results/{run}/benchmarks/guide.tsv"
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        mem_mb=per_attempt(8000),
        runtime=per_attempt(60),
        scripts=SCRIPTS,
    params:
        cfg=stage_cfg("guide"),
        code=stage_code("guide"),
    message:
        "predict what is not seen, for the calibration of {wildcards.run}"
    shell:
        "{resources.scripts}/guide.py --settings {params.cfg:q} --cache {input.cache:q}"
        " --model {input.model:q} --output {output:q} --threads {threads} --log {log:q}"
