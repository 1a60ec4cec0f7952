"""Whether a user's own models are there and have what the experiment asks of them."""

from hybrid_pde.config.checks.augmentation import drawn_parameter_errors
from hybrid_pde.config.checks.equation import check_equation
from hybrid_pde.config.checks.surrogate import surrogate_input_errors
from hybrid_pde.config.checks.symmetries import unsupported_symmetries
from hybrid_pde.config.derived import stages_trained
from hybrid_pde.config.error_messages import raise_errors
from hybrid_pde.config.schema import Experiment
from hybrid_pde.errors import ConfigError


def check_own_models(experiment: Experiment, source: str) -> None:
    """Import the modules that the experiment names, and check names and options against them.

    Without a module nothing is imported, and nothing happens.

    Args:
        experiment: The experiment.
        source: Its file, for the message.

    Raises:
        ConfigError: if a module cannot be imported, or lacks what the experiment names.
    """
    physical, synthetic = experiment.model.physical, experiment.model.synthetic
    trained = stages_trained(experiment)
    own_physical = "physical" in trained and physical is not None and physical.module
    own_synthetic = "synthetic" in trained and synthetic is not None and synthetic.module
    if not own_physical and not own_synthetic:
        return
    from hybrid_pde.models.registry import ModelRegistry  # PyTorch, so only where it is needed

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
        raise_errors(
            source,
            [*drawn_parameter_errors(experiment, spec), *unsupported_symmetries(experiment, spec)],
        )
