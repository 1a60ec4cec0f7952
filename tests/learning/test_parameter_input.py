"""Generalization of a surrogate to unseen values of an equation parameter given as input."""

import math
from pathlib import Path

import torch

from hybrid_pde.data import CacheManager, HybridDataset, collate_windows
from hybrid_pde.domain.grid import Grid
from hybrid_pde.domain.known_values import KnownParameter
from hybrid_pde.models import ModelRegistry
from hybrid_pde.models.synthetic.synthetic_predictor import SyntheticPredictor

POINTS, FRAMES, DT = 24, 9, 0.05
GRID = Grid(("x",), (POINTS,), (0.0,), (1.0,), (("periodic", "periodic"),), (False,))


def diffused(diffusivity: float, seed: int) -> torch.Tensor:
    """The exact solution of u_t = D u_xx for two initial waves, ``[T, 1, X]``."""
    generator = torch.Generator().manual_seed(seed)
    x = (torch.arange(POINTS) + 0.5) / POINTS
    times = DT * torch.arange(FRAMES)[:, None]
    total = torch.zeros(FRAMES, POINTS)
    for k in (1, 2):
        amplitude, phase = torch.randn((), generator=generator), torch.rand((), generator=generator)
        decay = torch.exp(-diffusivity * (2 * math.pi * k) ** 2 * times)
        total += amplitude * decay * torch.sin(2 * math.pi * (k * x + phase))
    return total[:, None]


def trained_error(store: CacheManager, inputs: dict[str, int]) -> float:
    """Relative error of rollouts at a diffusivity between the training values."""
    config = {
        "run_params": {"model_type": "synthetic"},
        "model": {
            "synthetic": {
                "name": "ConvNet",
                "input_specs": inputs,
                "output_specs": {"u": 1},
                "architecture": {"hidden_channels": 12, "layers": 3},
            }
        },
    }
    dataset = HybridDataset(store, range(16), list(inputs), num_predict_steps=2)
    model = ModelRegistry(config).get_synthetic_model(GRID)
    model.fit_normalization(dataset)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(300):
        drawn = torch.randint(len(dataset), (32,), generator=generator).tolist()
        state, targets = collate_windows(dataset.__getitems__(drawn))
        loss = (model.rollout(state, 2) - targets).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    unseen = 0.125
    truth = torch.stack([diffused(unseen, seed) for seed in range(100, 108)])
    initial = {"u": truth[:, 0], "known:diffusivity": torch.full((8,), unseen).double()}
    predicted = SyntheticPredictor(model)(initial, FRAMES - 1)["u"]
    return float((predicted - truth[:, 1:]).norm() / truth[:, 1:].norm())


def test_parameter_input_at_least_halves_the_error_at_an_unseen_diffusivity(tmp_path: Path) -> None:
    store = CacheManager(tmp_path)
    for index in range(16):
        diffusivity = (0.02, 0.05, 0.1, 0.15)[index % 4]
        known = [KnownParameter("diffusivity", values=diffusivity)]
        store.write(index, {"u": diffused(diffusivity, index)}, GRID, DT, {}, known=known)
    blind = trained_error(store, {"u": 1})
    seeing = trained_error(store, {"u": 1, "diffusivity": 1})
    assert seeing < 0.5 * blind
    assert seeing < 0.2
