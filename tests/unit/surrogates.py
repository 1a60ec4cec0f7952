"""Small surrogates of every architecture, optionally with nonzero random weights."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import pytest
import torch

from hybrid_pde.models import ModelRegistry
from hybrid_pde.models.synthetic.synthetic_model import SyntheticModel

PERIODIC = ("periodic", "periodic")
CLOSED = ("zero-gradient", "zero-gradient")
SMALL: dict[str, dict[str, Any]] = {
    "UNet": {"hidden_channels": 4, "depth": 1},
    "ResNet": {"hidden_channels": 4, "blocks": 2},
    "DilatedResNet": {"hidden_channels": 4, "blocks": 1, "dilations": [1, 2, 1]},
    "ConvNet": {"hidden_channels": 4, "layers": 3, "kernel_size": 5, "activation": "tanh"},
    "FNO": {"hidden_channels": 4, "layers": 2, "modes": 6},
}
needs_neuraloperator = pytest.mark.skipif(
    find_spec("neuralop") is None, reason="the package neuraloperator is not installed"
)
CONVOLUTIONS = [name for name in SMALL if name != "FNO"]
EVERY = [*CONVOLUTIONS, pytest.param("FNO", marks=needs_neuraloperator)]


def surrogate(
    name: str,
    boundary: Any,
    inputs: Mapping[str, int] | None = None,
    outputs: Mapping[str, int] | None = None,
    architecture: Mapping[str, Any] | None = None,
    **section: Any,
) -> SyntheticModel:
    """An untrained surrogate, which predicts persistence."""
    inputs = inputs or {"u": 1}
    synthetic = {
        "name": name,
        "input_specs": inputs,
        "output_specs": outputs or inputs,
        "architecture": SMALL.get(name, {}) | dict(architecture or {}),
        **section,
    }
    config = {"run_params": {"model_type": "synthetic"}, "model": {"synthetic": synthetic}}
    made = ModelRegistry(config).synthetic_class()
    return made(config, spatial_dims=len(boundary), boundary=boundary).eval()


def awake(model: SyntheticModel, size: float = 0.3) -> SyntheticModel:
    """The surrogate with random weights in the layers that start at zero."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.network.parameters():
            if not parameter.any():
                parameter.copy_(size * torch.randn(parameter.shape, generator=generator))
    return model


def state_of(model: SyntheticModel, shape: tuple[int, ...], windows: int = 2) -> torch.Tensor:
    """A random input ``[B, C_in, *space]``."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(windows, model.in_channels, *shape, generator=generator)
