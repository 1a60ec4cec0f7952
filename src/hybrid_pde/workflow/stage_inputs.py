"""What each stage reads, by the names that its rule uses; one function a stage."""

from pathlib import Path

from hybrid_pde.config.derived import (
    held_out_simulations,
    is_augmented,
    needs_equation,
    stages_trained,
)
from hybrid_pde.domain.run_folders import Run, cycle_folder, replicate_folder
from hybrid_pde.workflow.plan import EVALUATION_FILES, Plan
from hybrid_pde.workflow.shards import manifest_name

Files = dict[str, list[str]]


def train_physical(plan: Plan, run: Run) -> Files:
    """What a calibration reads: simulations, sensors, and what the cycle before left."""
    kinds, previous, guidance = ["train_sim"], [], []
    if run.cycle > 1:
        previous = [f"{run.before}/physical/parameters.yaml"]
        guidance = [f"{run.folder}/guidance/guidance.json"]
        if plan.experiment.hybrid.revert_if_worse:
            kinds.append("val_sim")
    return {
        "cache": plan.cache_manifests(plan.simulations("physical", tuple(kinds))),
        "sensors": plan.sensor_files(),
        "previous": previous,
        "guidance": guidance,
    }


def augment(plan: Plan, run: Run) -> Files:
    """What the calibrated model needs to generate simulations."""
    return {
        "cache": plan.cache_manifests(plan.simulations("physical", ("train_sim",))),
        "parameters": [f"{run.folder}/physical/parameters.yaml"],
        "states": plan.state_files(),
    }


def guide(plan: Plan, run: Run) -> Files:
    """What a synthetic model needs to predict what is not seen."""
    return {
        "cache": plan.cache_manifests(plan.simulations("physical", ("train_sim",))),
        "model": [f"{run.before}/synthetic_model.pt"],
    }


def train_synthetic(plan: Plan, run: Run) -> Files:
    """What the training of a surrogate reads."""
    taught = "physical" in stages_trained(plan.experiment)
    # replicates differ in the seed alone, and have no cycles
    source = plan.results if run.replicate else run.folder
    used = plan.simulations("synthetic", ("train_sim", "val_sim"))
    return {
        "cache": plan.cache_manifests(used),
        "augmented": _augmented(plan, source),
        "parameters": [f"{source}/physical/parameters.yaml"]
        * (taught and needs_equation(plan.experiment)),
        "warm_start": [f"{run.before}/synthetic_model.pt"] if run.cycle > 1 else [],
    }


def _augmented(plan: Plan, folder: str) -> list[str]:
    """Manifests of a run's generated simulations, none where there is no augmentation."""
    if not is_augmented(plan.experiment):
        return []
    directory = f"{folder}/augmented"
    count = plan.experiment.augmentation.num_simulations
    divided = plan.shards(count, directory, "generated")
    return [f"{directory}/{manifest_name('generated', s)}" for s in divided]


def hybrid(plan: Plan, _: Run) -> Files:
    """What each hybrid cycle leaves."""
    folders = [cycle_folder(Path(plan.results), k + 1) for k in range(plan.cycles)]
    return {
        name: [f"{folder}/{file}" for folder in folders]
        for name, file in (
            ("parameters", "physical/parameters.yaml"),
            ("physical_history", "physical/history.csv"),
            ("model", "synthetic_model.pt"),
            ("synthetic_history", "synthetic/history.csv"),
        )
    }


def evaluate(plan: Plan, _: Run) -> Files:
    """Held-out simulations and the models that there are."""
    trained = stages_trained(plan.experiment)
    physical, synthetic = "physical" in trained, "synthetic" in trained
    replicates = plan.experiment.trainer_params.synthetic.replicates
    results = Path(plan.results)
    folders = [results, *(replicate_folder(results, r) for r in range(1, replicates))]
    return {
        "cache": plan.cache_manifests(held_out_simulations(plan.experiment)[0]),
        "model": [f"{folder}/synthetic_model.pt" for folder in folders] * synthetic,
        "parameters": [f"{plan.results}/physical/parameters.yaml"] * physical,
    }


def report(plan: Plan, run: Run) -> Files:
    """What the report shows."""
    trained = stages_trained(plan.experiment)
    files = [f"{plan.results}/{stage}/history.csv" for stage in trained]
    files += evaluate(plan, run)["parameters"]
    files += [f"{plan.results}/evaluation/{name}" for name in EVALUATION_FILES]
    if plan.cycles > 1:
        files += [path for paths in hybrid(plan, run).values() for path in paths]
    return {"results": files}
