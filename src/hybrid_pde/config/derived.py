"""Properties derived from an experiment: trained models, evaluated simulations, cycles."""

from collections.abc import Sequence

from hybrid_pde.config.discovery import built_in_equations
from hybrid_pde.config.equations import EquationSpec
from hybrid_pde.config.schema import AUTOMATIC, CompleteTraining, Experiment
from hybrid_pde.errors import ConfigError

DIAGNOSTICS = {"pressure"}


def stages_trained(experiment: Experiment) -> tuple[str, ...]:
    """The models that the experiment trains."""
    kind = experiment.run_params.model_type
    return ("physical", "synthetic") if kind == "hybrid" else (kind,)


def held_out_simulations(experiment: Experiment) -> tuple[list[int], str]:
    """Simulations used for evaluation.

    Returns:
        Their indices and split: ``test``; without test simulations ``validation``; without either
        ``train``, where errors say nothing about unseen data.
    """
    training = getattr(experiment.trainer_params, stages_trained(experiment)[-1])
    for key, split in (("test_sim", "test"), ("val_sim", "validation"), ("train_sim", "train")):
        if indices := getattr(training, key):
            return list(indices), split
    raise ConfigError(
        "trainer_params.train_sim: missing; list the simulations to train and evaluate on"
    )


def chosen_simulations(given: Sequence[int] | None, train_sim: Sequence[int]) -> list[int]:
    """The simulations that a caller names, by default those of ``train_sim``.

    Raises:
        ConfigError: if there are none.
    """
    indices = list(train_sim if given is None else given)
    if not indices:
        raise ConfigError("trainer_params.train_sim: missing; it lists the simulations to train on")
    return indices


def equation_of(experiment: Experiment) -> EquationSpec | None:
    """The physical model's equation, or ``None`` if it is not a built-in one."""
    section = experiment.model.physical
    return None if section is None or section.module else built_in_equations().get(section.name)


def generated_fields(experiment: Experiment) -> list[str]:
    """Names of the fields of generated simulations: the equation's names, else the data's.

    Diagnostics, which are derived from other fields, are left out, as are optional fields that the
    data do not name. If the data name fewer fields than the equation has, all are generated.
    """
    generation = experiment.generation_params
    name = generation.equation if generation else None
    spec = built_in_equations().get(name) if name else equation_of(experiment)
    fields = [field for field in experiment.data.fields if field not in DIAGNOSTICS]
    if spec is None:
        return fields
    roles = [role.name for role in spec.fields if not role.is_optional or role.name in fields]
    by_role = set(roles) <= set(fields) or len(fields) < len(roles)
    return roles if by_role else fields[: len(roles)]


def num_cycles(experiment: Experiment) -> int:
    """Number of hybrid cycles; 1 for an experiment with a single model."""
    return experiment.hybrid.cycles if experiment.run_params.model_type == "hybrid" else 1


def cycle_stages(experiment: Experiment, cycle: int) -> tuple[str, ...]:
    """Stages of a hybrid cycle in their order; an experiment without cycles has one.

    Args:
        experiment: The experiment.
        cycle: Number of the cycle, from 1.
    """
    trained = stages_trained(experiment)
    stages = {
        "guide": "physical" in trained and cycle > 1,
        "train_physical": "physical" in trained,
        "augment": is_augmented(experiment),
        "train_synthetic": "synthetic" in trained,
    }
    return tuple(stage for stage, is_needed in stages.items() if is_needed)


def replicate_of(experiment: Experiment, replicate: int) -> Experiment:
    """The experiment with the seed of a replicate; replicate 0 is the experiment itself."""
    run = experiment.run_params
    seeded = run.model_copy(update={"seed": run.seed + replicate})
    return experiment.model_copy(update={"run_params": seeded})


def is_augmented(experiment: Experiment) -> bool:
    """True if the surrogate is also trained on generated simulations."""
    augmentation = experiment.augmentation
    return (
        experiment.run_params.model_type == "hybrid"
        and augmentation.enabled
        and augmentation.num_simulations > 0
        and augmentation.alpha > 0
    )


def complete_training(experiment: Experiment) -> CompleteTraining:
    """Settings of the surrogate's training, with those of a trainer in Python where none is given.

    The stage ``train_synthetic`` chooses them for the data instead, beforehand.
    """
    given = experiment.trainer_params.synthetic
    if isinstance(given, CompleteTraining):
        return given
    settings = {
        name: value
        for name, value in dict(given).items()
        if value is not None or name not in AUTOMATIC
    }
    return CompleteTraining.model_validate(settings)


def needs_equation(experiment: Experiment) -> bool:
    """True if training the surrogate needs the equation.

    It does to select valid symmetries, for parameter values among the inputs, and to fill in hidden
    values.
    """
    section = experiment.model.synthetic
    if experiment.model.physical is None or section is None:
        return False
    parameters = set(section.input_specs) - set(experiment.data.fields)
    return bool(
        experiment.augmentation.symmetries or parameters or experiment.data.observations is not None
    )
