rule report:
    input:
        unpack(inputs_of("report")),
    output:
        report(
            "results/{experiment}/report.html",
            caption="../report/report.rst",
            category="Report",
            subcategory="{experiment}",
        ),
    log:
        "results/{experiment}/logs/report.log",
    benchmark:
        "results/{experiment}/benchmarks/report.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=per_attempt(1000),
        runtime=per_attempt(10),
        scripts=SCRIPTS,
    params:
        cfg=stage_cfg("report"),
        code=stage_code("report"),
    message:
        "write the report of {wildcards.experiment}"
    shell:
        "{resources.scripts}/report.py --settings {params.cfg:q} --results"
        " results/{wildcards.experiment} --output {output:q} --threads {threads} --log {log:q}"
