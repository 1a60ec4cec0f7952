"""Input files of each stage by the names that its rule uses, one function for each stage."""

from pathlib import Path

from hybrid_pde.config.derived import (
    NUM_REFERENCES,
    calibrated_simulations,
    held_out_simulations,
    is_augmented,
    is_calibrated_by_simulation,
    needs_equation,
    shared_parameters,
    stages_trained,
)
from hybrid_pde.domain.run_folders import ESTIMATES, Run, cycle_folder, replicate_folder
from hybrid_pde.workflow.plan import EVALUATION_FILES, Plan
from hybrid_pde.workflow.shards import Shard, manifest_name, shards_with

Files = dict[str, list[str]]


def train_physical(plan: Plan, run: Run) -> Files:
    """Simulations, sensors, and in later cycles the previous result and the guidance."""
    kinds, previous, guidance = ["train_sim"], [], []
    if run.cycle > 1:
        previous = [f"{run.before}/physical/parameters.yaml"]
        guidance = [f"{run.folder}/guidance/guidance.json"]
        if plan.experiment.hybrid.revert_if_worse:
            kinds.append("val_sim")
    used = plan.simulations("physical", tuple(kinds))
    calibrated: list[str] = []
    if is_calibrated_by_simulation(plan.experiment):
        used = calibrated_simulations(plan.experiment)
        if not shared_parameters(plan.experiment):
            directory = f"{run.folder}/physical/{ESTIMATES}"
            divided = plan.shards(plan.num_simulations, directory, "calibrated")
            calibrated = [
                f"{directory}/{manifest_name('calibrated', shard)}"
                for shard in shards_with(used, divided)
            ]
    return {
        "calibrated": calibrated,
        "cache": plan.cache_manifests(used),
        "sensors": plan.sensor_files(),
        "previous": previous,
        "guidance": guidance,
    }


def calibrate(plan: Plan, shard: Shard) -> Files:
    """Simulations of a shard, those that select the scheme, and sensors."""
    used = calibrated_simulations(plan.experiment)
    wanted = [index for index in used if shard[0] <= index <= shard[1]]
    references = plan.experiment.trainer_params.physical.train_sim[:NUM_REFERENCES]
    return {
        "cache": plan.cache_manifests([*wanted, *references]),
        "sensors": plan.sensor_files(),
    }


def augment(plan: Plan, run: Run) -> Files:
    """Simulations, calibrated parameters, and files of initial states."""
    return {
        "cache": plan.cache_manifests(plan.simulations("physical", ("train_sim",))),
        "parameters": [f"{run.folder}/physical/parameters.yaml"],
        "states": plan.state_files(),
    }


def guide(plan: Plan, run: Run) -> Files:
    """Simulations and the surrogate of the previous cycle."""
    return {
        "cache": plan.cache_manifests(plan.simulations("physical", ("train_sim",))),
        "model": [f"{run.before}/synthetic_model.pt"],
    }


def train_synthetic(plan: Plan, run: Run) -> Files:
    """Real and generated simulations, parameters, and in later cycles the previous surrogate."""
    calibrated = "physical" in stages_trained(plan.experiment)
    # replicates differ only in the seed, and have no cycles
    source = plan.results if run.replicate else run.folder
    used = plan.simulations("synthetic", ("train_sim", "val_sim"))
    return {
        "cache": plan.cache_manifests(used),
        "augmented": _augmented(plan, source),
        "parameters": [f"{source}/physical/parameters.yaml"]
        * (calibrated and needs_equation(plan.experiment)),
        "warm_start": [f"{run.before}/synthetic_model.pt"] if run.cycle > 1 else [],
    }


def _augmented(plan: Plan, folder: str) -> list[str]:
    """Manifests of a run's generated simulations; none without augmentation."""
    if not is_augmented(plan.experiment):
        return []
    if plan.reused is not None:
        return _augmented(plan.reused, plan.reused.results)
    directory = f"{folder}/augmented"
    count = plan.experiment.augmentation.num_simulations
    divided = plan.shards(count, directory, "generated")
    return [f"{directory}/{manifest_name('generated', s)}" for s in divided]


def hybrid(plan: Plan, _: Run) -> Files:
    """Results of all hybrid cycles."""
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


def reuse(plan: Plan, _: Run) -> Files:
    """Results of the calibration that the experiment takes over."""
    assert plan.reused is not None
    folder = f"{plan.reused.results}/physical"
    return {"parameters": [f"{folder}/parameters.yaml"], "history": [f"{folder}/history.csv"]}


def evaluate(plan: Plan, _: Run) -> Files:
    """Held-out simulations and the trained models."""
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
    """All results that the report shows."""
    trained = stages_trained(plan.experiment)
    files = [f"{plan.results}/{stage}/history.csv" for stage in trained]
    files += evaluate(plan, run)["parameters"]
    files += [f"{plan.results}/evaluation/{name}" for name in EVALUATION_FILES]
    if plan.cycles > 1:
        files += [path for paths in hybrid(plan, run).values() for path in paths]
    return {"results": files}
