rule train_synthetic:
    input:
        cache=cached("synthetic", "train_sim", "val_sim"),
        augmented=lambda wildcards: plan_of(wildcards).augment_manifests(),
    output:
        model="results/{experiment}/synthetic_model.pt",
        history="results/{experiment}/synthetic/history.csv",
    log:
        "results/{experiment}/logs/train_synthetic.log",
    benchmark:
        "results/{experiment}/benchmarks/train_synthetic.tsv"
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        mem_mb=16000,
        runtime=720,
        # no param, since how often progress is saved changes no result
        checkpoint_every_s=lambda wildcards: int(
            plan_of(wildcards).experiment.workflow.checkpoint_every_s
        ),
    params:
        cfg=stage_cfg("train_synthetic"),
        code=stage_code("train_synthetic"),
    message:
        "train the synthetic model of {wildcards.experiment}"
    shell:
        "python -m workflow.scripts.train_synthetic --settings {params.cfg:q}"
        " --code {params.code} --cache {input.cache:q} --augmented {input.augmented:q}"
        " --model {output.model:q} --history {output.history:q}"
        " --checkpoints results/{wildcards.experiment}/checkpoints"
        " --checkpoint-every-s {resources.checkpoint_every_s}"
        " --threads {threads} --log {log:q}"
