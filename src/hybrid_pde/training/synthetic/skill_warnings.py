"""Warnings of trainings that have taught a surrogate nothing."""

from collections.abc import Sequence

from hybrid_pde.result_warnings import warn_of_result

CONSTANT = 1e-3  # relative spread of a loss that does not change
LEAST_STEPS = 100  # of the optimizer; fewer are a trial, and the evaluation judges its rollouts


def warn_of_no_skill(
    steps: int, losses: Sequence[float], error: float | None, persistence: float | None
) -> None:
    """Warn if nothing changes, the loss is constant, or rollouts are no better than persistence.

    Args:
        steps: Number of optimizer steps; there is no warning below :data:`LEAST_STEPS`.
        losses: Training loss of each epoch, from the first one of new weights.
        error: VRMSE of the kept weights on the validation simulations; ``None`` without validation.
        persistence: VRMSE of the unchanged first frame there.
    """
    if steps < LEAST_STEPS:
        return
    advice = (
        "train it longer (trainer_params.epochs), with another trainer_params.learning_rate (null "
        "searches for one), choose an architecture that sees farther in a step, or add "
        "model.synthetic.coordinates where a forcing that no field shows depends on position"
    )
    if losses and not any(losses):
        warn_of_result(
            "trainer_params.synthetic: the training has taught the surrogate nothing: the loss is "
            "0 from the first epoch, since the predicted fields do not change between the frames "
            "of the training simulations; choose fields that change (model.synthetic.output_specs) "
            "or other simulations (trainer_params.train_sim), and look at the raw files with "
            "hybrid-pde inspect"
        )
    elif error is not None and persistence is not None and not error < persistence:
        warn_of_result(
            "trainer_params.synthetic: the training has taught the surrogate nothing: the VRMSE of "
            f"its rollouts on the validation simulations is {error:.3g}, that of persistence, "
            f"which any surrogate must beat, {persistence:.3g}; {advice}"
        )
    elif len(losses) > 1 and max(losses) - min(losses) <= CONSTANT * max(losses):
        warn_of_result(
            "trainer_params.synthetic: the training has taught the surrogate nothing: the loss is "
            f"{losses[0]:.4g} in each of {len(losses)} epochs, and must become smaller; {advice}"
        )
