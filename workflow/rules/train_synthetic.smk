rule train_synthetic:
    input:
        unpack(inputs_of("train_synthetic")),
    output:
        model="results/{run}/synthetic_model.pt",
        history="results/{run}/synthetic/history.csv",
    log:
        "results/{run}/logs/train_synthetic.log",
    benchmark:
        "results/{run}/benchmarks/train_synthetic.tsv"
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        mem_mb=per_attempt(16000),
        runtime=per_attempt(720),
        # command that starts several processes, on one node or several: `srun …`, `torchrun …`
        launch="",
        # folder on the node's own disk for copies of the simulations, e.g. `$TMPDIR`
        scratch="",
        checkpoint_every_s=checkpoint_every_s,
        tensorboard=lambda wildcards: int(
            plan_of(wildcards).experiment.workflow.tensorboard
        ),
        scripts=SCRIPTS,
        search_path=SEARCH_PATH,
    params:
        cfg=stage_cfg("train_synthetic"),
        code=stage_code("train_synthetic"),
    message:
        "train the synthetic model of {wildcards.run}"
    shell:
        "PATH={resources.search_path} {resources.launch} {resources.scripts}/train_synthetic.py --settings {params.cfg:q}"
        " --code {params.code} --run {wildcards.run} --cache {input.cache:q} --augmented {input.augmented:q}"
        " --parameters {input.parameters:q} --warm-start {input.warm_start:q}"
        " --model {output.model:q} --history {output.history:q}"
        " --checkpoints results/{wildcards.run}/checkpoints"
        " --checkpoint-every-s {resources.checkpoint_every_s}"
        ' --tensorboard {resources.tensorboard} --scratch "{resources.scratch}"'
        " --threads {threads} --log {log:q}"
