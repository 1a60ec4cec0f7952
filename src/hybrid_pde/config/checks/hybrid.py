"""Checks of hybrid cycles and replicates."""

from collections.abc import Iterator

from hybrid_pde.config.checks.equation import fields_by_role
from hybrid_pde.config.derived import equation_of, is_augmented, num_cycles
from hybrid_pde.config.equations import EquationSpec
from hybrid_pde.config.schema import Experiment


def hybrid_errors(experiment: Experiment) -> Iterator[str]:
    """Errors for hybrid cycles and replicates that are not possible."""
    training = experiment.trainer_params
    cycles = experiment.hybrid.cycles
    kind = experiment.run_params.model_type
    if cycles > 1 and kind != "hybrid":
        yield (
            f"hybrid.cycles: {cycles}: run_params.model_type: {kind} trains a single model, but "
            "cycles need two; use run_params.model_type: hybrid"
        )
    if num_cycles(experiment) > 1:
        if not is_augmented(experiment) and experiment.data.observations is None:
            yield (
                f"hybrid.cycles: {cycles}: cycles have no effect, since the physical model "
                "generates no data; set augmentation.enabled, num_simulations and alpha above 0"
            )
        if training.synthetic.replicates > 1:
            yield (
                f"trainer_params.synthetic.replicates: {training.synthetic.replicates}: not "
                f"available with hybrid.cycles: {cycles}, where each seed needs its own "
                "calibration; run the experiment with other values of run_params.seed instead"
            )
        if training.physical.method in {"adam", "sgd"}:
            yield (
                f"trainer_params.physical.method: {training.physical.method}: hybrid.cycles: "
                f"{cycles} needs a method that can weight observations; use gauss-newton or "
                "L-BFGS-B"
            )
    yield from _reuse_errors(experiment)
    yield from exchanged_field_errors(experiment, equation_of(experiment))


def _reuse_errors(experiment: Experiment) -> Iterator[str]:
    """Errors for an experiment that takes over a calibration and has no use for it."""
    key, kind = f"reuse: {experiment.reuse}", experiment.run_params.model_type
    if experiment.reuse is None:
        return
    if kind != "hybrid":
        yield (
            f"{key}: run_params.model_type: {kind}: takes over no calibration; use model_type: "
            "hybrid, or remove reuse"
        )
    if num_cycles(experiment) > 1:
        yield (
            f"{key}: hybrid.cycles: {experiment.hybrid.cycles}: in later cycles the calibration "
            "depends on the surrogate; use one cycle, or remove reuse"
        )


def exchanged_field_errors(experiment: Experiment, spec: EquationSpec | None) -> Iterator[str]:
    """Errors for fields that one model needs from the other and does not get.

    Args:
        experiment: The typed experiment.
        spec: The equation, or ``None`` if it is not known yet.
    """
    section = experiment.model.synthetic
    if section is None or spec is None or experiment.run_params.model_type != "hybrid":
        return
    found = fields_by_role(spec, experiment.data.fields).values()
    names = [name for name in found if name is not None]
    missing = [name for name in names if name not in section.output_specs]
    if missing and num_cycles(experiment) > 1:
        yield (
            f"model.synthetic.output_specs: {missing}: fields of {spec.name}, which the surrogate "
            f"has to predict with hybrid.cycles: {experiment.hybrid.cycles}; add them"
        )
    seen = experiment.data.observations
    for name in section.output_specs:
        if seen is not None and seen.hides and name not in names:
            yield (
                f"model.synthetic.output_specs.{name}: data.observations hides part of this field, "
                f"and {spec.name}, which fills in hidden values, has no such field; remove it from "
                "the outputs"
            )
