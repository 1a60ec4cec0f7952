rule simulate:
    output:
        "{raw}/simulated_{shard}.json",
    log:
        "{raw}/logs/simulate_{shard}.log",
    benchmark:
        "{raw}/benchmarks/simulate_{shard}.tsv"
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(240),
        compile=lambda wildcards: plan_by(
            "raw_dir", wildcards.raw
        ).experiment.workflow.compile,
        scripts=SCRIPTS,
    params:
        cfg=lambda wildcards: cfg_file(
            "simulate", plan_by("raw_dir", wildcards.raw).settings("simulate")
        ),
        code=lambda wildcards: plan_by("raw_dir", wildcards.raw).code("simulate"),
    message:
        "simulate raw files {wildcards.shard} in {wildcards.raw}"
    shell:
        "{resources.scripts}/simulate.py --settings {params.cfg:q} --shard {wildcards.shard} --code {params.code}"
        " --output {output:q} --threads {threads} --compile {resources.compile} --log {log:q}"
