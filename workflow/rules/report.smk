rule report:
    input:
        unpack(inputs_of("report")),
    output:
        page=report(
            "results/{experiment}/report.html",
            caption="../report/report.rst",
            category="Report",
            subcategory="{experiment}",
        ),
        experiment="results/{experiment}/experiment.yaml",
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
        compile=compile_steps,
        scripts=SCRIPTS,
    params:
        cfg=stage_cfg("report"),
        code=stage_code("report"),
    message:
        "write the report of {wildcards.experiment}"
    shell:
        "{resources.scripts}/report.py --settings {params.cfg:q} --results"
        " results/{wildcards.experiment} --output {output.page:q} --experiment {output.experiment:q}"
        " --threads {threads} --compile {resources.compile} --log {log:q}"
