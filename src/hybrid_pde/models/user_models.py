"""Checks of an experiment against the models in a Python file of the user."""

from hybrid_pde.config.checks.augmentation import drawn_parameter_errors
from hybrid_pde.config.checks.equation import check_equation
from hybrid_pde.config.checks.hybrid import exchanged_field_errors
from hybrid_pde.config.checks.surrogate import surrogate_input_errors
from hybrid_pde.config.checks.symmetries import find_symmetries, unsupported_symmetries
from hybrid_pde.config.checks.symmetry_obstacles import Box
from hybrid_pde.config.derived import stages_trained
from hybrid_pde.config.error_messages import raise_errors
from hybrid_pde.config.schema import Experiment
from hybrid_pde.errors import ConfigError


def check_own_models(experiment: Experiment, source: str, box: Box | None = None) -> None:
    """Import the modules that the experiment names, and check names and options against them.

    Does nothing if the experiment names no module.

    Args:
        experiment: The experiment.
        source: Its file, for the message.
        box: Properties of the data that decide which symmetries hold, if they are known.

    Raises:
        ConfigError: if a module cannot be imported, or lacks what the experiment names.
    """
    physical, synthetic = experiment.model.physical, experiment.model.synthetic
    trained = stages_trained(experiment)
    own_physical = "physical" in trained and physical is not None and physical.module
    own_synthetic = "synthetic" in trained and synthetic is not None and synthetic.module
    if not own_physical and not own_synthetic:
        return
    from hybrid_pde.models.registry import ModelRegistry  # imports PyTorch

    registry = ModelRegistry(experiment)
    try:
        if own_synthetic:
            assert synthetic is not None
            registry.synthetic_class().check_architecture(synthetic.architecture)
        spec = registry.physical_class().spec if own_physical else None
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from error
    if spec is not None:
        check_equation(experiment, source, spec)
        if "synthetic" in trained:
            raise_errors(source, surrogate_input_errors(experiment, spec))
            raise_errors(source, exchanged_field_errors(experiment, spec))
        raise_errors(
            source,
            [*drawn_parameter_errors(experiment, spec), *unsupported_symmetries(experiment, spec)],
        )
        if box is not None and "synthetic" in trained:
            raise_errors(source, find_symmetries(experiment, spec, box)[1])
