"""Checks of the initial guesses of field parameters against the grid of the data."""

from collections.abc import Iterator

from hybrid_pde.config.checks.calibration import learnable_key
from hybrid_pde.config.derived import stages_trained
from hybrid_pde.config.error_messages import raise_errors
from hybrid_pde.config.schema import Experiment
from hybrid_pde.domain.grid import Grid
from hybrid_pde.errors import ConfigError


def check_field_guesses(experiment: Experiment, source: str, grid: Grid | None) -> None:
    """Check that the field parameters of a calibration can be made on the grid of the data.

    Loads PyTorch, but only for an experiment with field parameters whose guess depends on the grid.

    Args:
        experiment: The typed experiment.
        source: File of the experiment, for error messages.
        grid: Grid of the data; ``None`` if it is unknown.

    Raises:
        ConfigError: with a line for each problem.
    """
    if grid is not None and "physical" in stages_trained(experiment):
        raise_errors(source, _guess_errors(experiment, grid))


def _guess_errors(experiment: Experiment, grid: Grid) -> Iterator[str]:
    for position, parameter in enumerate(experiment.trainer_params.physical.learnable_parameters):
        section, guess = parameter.parametrization, parameter.initial_guess
        if section is None or (section.type == "grid" and isinstance(guess, float)):
            continue  # fits any grid
        # imports PyTorch
        from hybrid_pde.training.physical.fields.parametrization import create_parametrization

        try:
            create_parametrization(section, grid, guess, parameter.name)
        except ConfigError as error:
            yield f"{learnable_key(position)}: {error}"
