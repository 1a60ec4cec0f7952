rule calibrate:
    input:
        unpack(
            lambda wildcards: stage_inputs.calibrate(
                plan_of(wildcards), shard_of(wildcards)
            )
        ),
    output:
        "results/{run}/physical/per_simulation/calibrated_{shard}.json",
    log:
        "results/{run}/logs/calibrate_{shard}.log",
    benchmark:
        "results/{run}/benchmarks/calibrate_{shard}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(240),
        scripts=SCRIPTS,
    params:
        cfg=stage_cfg("calibrate"),
        code=stage_code("calibrate"),
    message:
        "calibrate simulations {wildcards.shard} of {wildcards.run}"
    shell:
        "{resources.scripts}/calibrate.py --settings {params.cfg:q} --shard {wildcards.shard} --code {params.code}"
        " --cache {input.cache:q} --output {output:q} --threads {threads} --log {log:q}"
