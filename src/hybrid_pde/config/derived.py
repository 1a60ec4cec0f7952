"""What follows from an experiment: what it trains, on what it is evaluated, what it simulates."""

from hybrid_pde.config.discovery import built_in_equations
from hybrid_pde.config.equations import EquationSpec
from hybrid_pde.config.schema import Experiment
from hybrid_pde.errors import ConfigError

DIAGNOSTICS = {"pressure"}


def stages_trained(experiment: Experiment) -> tuple[str, ...]:
    """The models that the experiment trains."""
    kind = experiment.run_params.model_type
    return ("physical", "synthetic") if kind == "hybrid" else (kind,)


def held_out_simulations(experiment: Experiment) -> tuple[list[int], str]:
    """Which simulations are evaluated, and what they are.

    Returns:
        Indices and ``test``; in their absence ``validation``, and in the absence of both
        ``train``, whose errors say nothing about unseen data.
    """
    training = getattr(experiment.trainer_params, stages_trained(experiment)[-1])
    for key, split in (("test_sim", "test"), ("val_sim", "validation"), ("train_sim", "train")):
        if indices := getattr(training, key):
            return list(indices), split
    raise ConfigError("trainer_params.train_sim: missing; there is nothing to evaluate on")


def equation_of(experiment: Experiment) -> EquationSpec | None:
    """The physical model's equation, where it is a built-in one."""
    section = experiment.model.physical
    return None if section is None or section.module else built_in_equations().get(section.name)


def generated_fields(experiment: Experiment) -> list[str]:
    """What the fields of generated simulations are called: the equation's names, else the data's.

    Diagnostics, which are derived from them, are not among them, nor are optional fields that the
    data do not name. Where the data name fewer fields than the equation has, all are made.
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
    """How often the two models teach each other; an experiment of one model has no cycles."""
    return experiment.hybrid.cycles if experiment.run_params.model_type == "hybrid" else 1


def replicate_of(experiment: Experiment, replicate: int) -> Experiment:
    """The experiment of a surrogate with another seed; replicate 0 is the experiment itself."""
    run = experiment.run_params
    seeded = run.model_copy(update={"seed": run.seed + replicate})
    return experiment.model_copy(update={"run_params": seeded})


def is_augmented(experiment: Experiment) -> bool:
    """Whether the surrogate also sees generated simulations."""
    augmentation = experiment.augmentation
    return (
        experiment.run_params.model_type == "hybrid"
        and augmentation.enabled
        and augmentation.num_simulations > 0
        and augmentation.alpha > 0
    )


def needs_equation(experiment: Experiment) -> bool:
    """Whether the surrogate's training must know the equation.

    It does for the symmetries that hold, for values of its parameters among the inputs, and to fill
    in what is hidden.
    """
    section = experiment.model.synthetic
    if experiment.model.physical is None or section is None:
        return False
    told = set(section.input_specs) - set(experiment.data.fields)
    return bool(
        experiment.augmentation.symmetries or told or experiment.data.observations is not None
    )
