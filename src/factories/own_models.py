"""Whether a user's own models are there and have what the experiment asks of them."""

from src.config.augmentation_checks import wrong_draws
from src.config.derived import stages_trained
from src.config.equation_checks import check_equation
from src.config.messages import refuse
from src.config.schema import Experiment
from src.config.surrogate_checks import wrong_inputs
from src.config.symmetry_rules import unclaimed
from src.errors import ConfigError


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
    from src.models.registry import ModelRegistry  # PyTorch, so only where it is needed

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
            refuse(source, wrong_inputs(experiment, spec))
        refuse(source, [*wrong_draws(experiment, spec), *unclaimed(experiment, spec)])
