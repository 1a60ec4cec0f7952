rule cache:
    input:
        lambda wildcards: plan_by("cache_dir", wildcards.cache).raw_inputs(
            shard_of(wildcards)
        ),
    output:
        "{cache}/cached_{shard}.json",
    log:
        "{cache}/logs/cache_{shard}.log",
    benchmark:
        "{cache}/benchmarks/cache_{shard}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(120),
        scripts=SCRIPTS,
        # a resource, because no result depends on it
        first_sample=lambda wildcards: plan_by(
            "cache_dir", wildcards.cache
        ).first_sample(shard_of(wildcards)),
    params:
        cfg=lambda wildcards: cfg_file(
            "cache", plan_by("cache_dir", wildcards.cache).settings("cache")
        ),
        code=lambda wildcards: plan_by("cache_dir", wildcards.cache).code("cache"),
        # of folders and of files beside the inputs, whose times Snakemake does not see
        parts=lambda wildcards: plan_by("cache_dir", wildcards.cache).raw_parts(
            shard_of(wildcards)
        ),
    message:
        "cache simulations {wildcards.shard} in {wildcards.cache}"
    shell:
        "{resources.scripts}/cache.py --settings {params.cfg:q} --shard {wildcards.shard}"
        " --raw {input:q} --first-sample {resources.first_sample} --output {output:q} --threads {threads} --log {log:q}"
