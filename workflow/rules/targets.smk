rule synthetic_model:
    input:
        unpack(default_results),
    output:
        "results/synthetic_model.pt",
    log:
        "results/logs/synthetic_model.log",
    benchmark:
        "results/benchmarks/synthetic_model.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=100,
        runtime=5,
    params:
        cfg="{}",
        code="copy",
    message:
        "copy {input.model} to {output}"
    shell:
        "(cp {input.model:q} {output:q}.partial && mv {output:q}.partial {output:q}) 2> {log:q}"
