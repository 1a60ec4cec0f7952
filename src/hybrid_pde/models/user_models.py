"""Checks of an experiment against the models in a Python file of the user."""

import math
from collections.abc import Sequence
from dataclasses import replace

from hybrid_pde.config.checks.augmentation import drawn_parameter_errors
from hybrid_pde.config.checks.equation import check_equation
from hybrid_pde.config.checks.hybrid import exchanged_field_errors
from hybrid_pde.config.checks.surrogate import surrogate_input_errors
from hybrid_pde.config.checks.symmetries import find_symmetries, unsupported_symmetries
from hybrid_pde.config.checks.symmetry_obstacles import Box
from hybrid_pde.config.derived import stages_trained
from hybrid_pde.config.error_messages import raise_errors
from hybrid_pde.config.schema import Experiment
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.errors import ConfigError, OwnModelError, error_of_own_model

_FEW_POINTS = 16  # along an axis
_SHORT = 1e-9  # time step [time], of which one is stable for any equation


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


def try_own_equation(experiment: Experiment, grid: Grid, layouts: Sequence[FieldLayout]) -> None:
    """Solve an equation of the user's own for one short step on few points.

    Args:
        experiment: The experiment; one without a module is not tried.
        grid: Grid of the data.
        layouts: Fields of the data.

    Raises:
        OwnModelError: naming the line that fails, or what the equation does not return.
    """
    section = experiment.model.physical
    if section is None or not section.module:
        return
    import torch

    from hybrid_pde.models.registry import ModelRegistry
    from hybrid_pde.numerics.discretization import Discretization

    model = ModelRegistry(experiment).get_physical_model()
    model.discretization = Discretization.of("finite_difference", 2)
    few = replace(grid, shape=tuple(min(_FEW_POINTS, points) for points in grid.shape))
    wave = torch.sin(torch.arange(math.prod(few.shape)).double()).reshape(few.shape)
    state = {
        each.name: (1 + 0.1 * wave).expand(1, each.channels, *few.shape)
        for each in layouts
        if not each.static
    }
    try:
        with torch.no_grad():
            list(model.rollout(state, few, 1, _SHORT))
    except OwnModelError:
        raise
    except Exception as error:  # those of other causes come with the data, and say more there
        if (own := error_of_own_model(error)) is not None:
            raise own from error
