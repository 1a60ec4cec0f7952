"""Building of a surrogate for weights that are there, without more memory than they take."""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch.nn.modules import module as torch_module

from hybrid_pde.config import Experiment
from hybrid_pde.models.synthetic.padding import Boundary
from hybrid_pde.models.synthetic.synthetic_model import SyntheticModel

logger = logging.getLogger(__name__)

# A network may register a tensor several times before it is complete, e.g. for weight norm.
_SLACK = 4
_SMALL = 1000  # tensors or numbers that are never too many


class _SizeError(ValueError):
    """The settings describe a larger network than the weights are of."""


def build_within(
    model_class: type[SyntheticModel],
    experiment: Experiment,
    spatial_dims: int,
    boundary: Boundary,
    weights: Mapping[str, torch.Tensor],
) -> SyntheticModel:
    """The model of an experiment, if the weights are of its size.

    It is built without memory first, on PyTorch's ``meta`` device, and the building is stopped
    when the network has become larger than the weights.

    Args:
        model_class: Class of the surrogate.
        experiment: Settings of the model.
        spatial_dims: Number of spatial axes.
        boundary: Boundary of the grid.
        weights: State of the trained model.

    Raises:
        ValueError: if the settings describe a larger network than the weights are of.
    """
    _check_settings(experiment, weights)

    def build() -> SyntheticModel:
        return model_class(experiment, spatial_dims=spatial_dims, boundary=boundary)

    try:
        with _limited_to(weights), torch.device("meta"):
            build()
    except _SizeError:
        raise
    except Exception as error:
        # a user's network may need values while it is built, which `meta` lacks
        logger.debug("not built on the meta device", exc_info=error)
    with _limited_to(weights):
        return build()


def _check_settings(experiment: Experiment, weights: Mapping[str, torch.Tensor]) -> None:
    """Reject a number in the settings that is far larger than any length in the weights.

    Raises:
        ValueError: naming the setting.
    """
    section = experiment.model.synthetic
    assert section is not None
    lengths = [length for values in weights.values() for length in values.shape]
    # Fourier modes are stored by halves of either sign, blocks as several tensors
    most = _SLACK * max(len(weights), *lengths, 1)
    numbers = {**section.architecture, **section.input_specs, **section.output_specs}
    for name, number in {**numbers, "bundle": section.bundle}.items():
        if isinstance(number, int) and number > most:
            raise _SizeError(f"{name}: {number}: larger than the weights")


@contextlib.contextmanager
def _limited_to(weights: Mapping[str, torch.Tensor]) -> Iterator[None]:
    """Stop the building of modules with far more tensors or numbers than the weights have."""
    most_tensors = _SLACK * len(weights) + _SMALL
    most_numbers = _SLACK * sum(values.numel() for values in weights.values()) + _SMALL
    tensors = numbers = 0

    def count(module: torch.nn.Module, name: str, tensor: Any) -> None:
        nonlocal tensors, numbers
        if isinstance(tensor, torch.Tensor):
            tensors, numbers = tensors + 1, numbers + tensor.numel()
        if tensors > most_tensors or numbers > most_numbers:
            place = f"{type(module).__name__}.{name}"
            raise _SizeError(f"{place}: the network is larger than its weights")

    handles = [
        torch_module.register_module_parameter_registration_hook(count),
        torch_module.register_module_buffer_registration_hook(count),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
