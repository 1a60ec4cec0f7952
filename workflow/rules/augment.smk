rule augment:
    input:
        unpack(inputs_of("augment")),
    output:
        "results/{run}/augmented/generated_{shard}.json",
    log:
        "results/{run}/logs/augment_{shard}.log",
    benchmark:
        "results/{run}/benchmarks/augment_{shard}.tsv"
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(240),
        compile=compile_steps,
        scripts=SCRIPTS,
    params:
        cfg=stage_cfg("augment"),
        code=stage_code("augment"),
    message:
        "generate simulations {wildcards.shard} of {wildcards.run}"
    shell:
        "{resources.scripts}/augment.py --settings {params.cfg:q} --shard {wildcards.shard} --code {params.code}"
        " --cache {input.cache:q} --parameters {input.parameters:q} --output {output:q}"
        " --threads {threads} --compile {resources.compile} --log {log:q}"
