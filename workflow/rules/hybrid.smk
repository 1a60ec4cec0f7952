rule hybrid:
    input:
        unpack(inputs_of("hybrid")),
    output:
        parameters="results/{experiment}/physical/parameters.yaml",
        physical_history="results/{experiment}/physical/history.csv",
        model="results/{experiment}/synthetic_model.pt",
        synthetic_history="results/{experiment}/synthetic/history.csv",
    log:
        "results/{experiment}/logs/hybrid.log",
    benchmark:
        "results/{experiment}/benchmarks/hybrid.tsv"
    wildcard_constraints:
        experiment=PLANS.hybrid_pattern(),
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=per_attempt(1000),
        runtime=per_attempt(10),
        scripts=SCRIPTS,
    params:
        cfg=stage_cfg("hybrid"),
        code=stage_code("hybrid"),
    message:
        "take over the last cycle of {wildcards.experiment}"
    shell:
        "{resources.scripts}/hybrid.py --settings {params.cfg:q}"
        " --cycles $(dirname {input.model:q}) --output results/{wildcards.experiment}"
        " --threads {threads} --log {log:q}"
