"""What the schema cannot say of hybrid cycles and replicates."""

from collections.abc import Iterator

from hybrid_pde.config.derived import is_augmented, num_cycles
from hybrid_pde.config.schema import Experiment


def wrong_hybrid(experiment: Experiment) -> Iterator[str]:
    """A line for everything that no training could make sense of."""
    training = experiment.trainer_params
    cycles = experiment.hybrid.cycles
    kind = experiment.run_params.model_type
    if cycles > 1 and kind != "hybrid":
        yield (
            f"hybrid.cycles: {cycles}: run_params.model_type: {kind} trains one model alone; "
            "run_params.model_type: hybrid trains two that can teach each other"
        )
    if num_cycles(experiment) > 1:
        if not is_augmented(experiment) and experiment.data.observations is None:
            yield (
                f"hybrid.cycles: {cycles}: the physical model would teach the synthetic one "
                "nothing; set augmentation.enabled, num_simulations and alpha above 0"
            )
        if training.synthetic.replicates > 1:
            yield (
                f"trainer_params.synthetic.replicates: {training.synthetic.replicates}: with "
                f"hybrid.cycles: {cycles} surrogates of other seeds would need calibrations of "
                "their own; run the experiment with other values of run_params.seed instead"
            )
        if training.physical.method in {"adam", "sgd"}:
            yield (
                f"trainer_params.physical.method: {training.physical.method}: hybrid.cycles: "
                f"{cycles} needs a method that weighs observations, gauss-newton or L-BFGS-B"
            )
