"""Fixtures for training surrogates on sines advected in one dimension."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from hybrid_pde.models.synthetic.architectures.unet.network import UNet
from hybrid_pde.training.synthetic import SyntheticTrainer
from hybrid_pde.training.synthetic.epoch_sampler import EpochSampler

Window = tuple[torch.Tensor, torch.Tensor]


class Windows(Dataset[Window]):
    """Windows of trajectories ``[simulation, T, C, X]``."""

    def __init__(self, trajectories: torch.Tensor, steps: int) -> None:
        self.trajectories = trajectories
        self.steps = steps
        self.starts = trajectories.shape[1] - steps

    def __len__(self) -> int:
        return len(self.trajectories) * self.starts

    def __getitem__(self, index: int) -> Window:
        simulation, start = divmod(index, self.starts)
        frames = self.trajectories[simulation, start : start + self.steps + 1]
        return frames[0], frames[1:]


@pytest.fixture
def advected_sines() -> Callable[[int, int], torch.Tensor]:
    """Trajectories ``[simulation, 25, 1, 32]`` of sums of sines moving by 1/32 per step."""

    def make(simulations: int, seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        shape = (simulations, 1, 1, 1)
        x = torch.arange(32) / 32
        moved = x - torch.arange(25)[:, None, None] / 32
        waves = [
            torch.randn(shape, generator=generator)
            * torch.sin(2 * math.pi * (k * moved + torch.rand(shape, generator=generator)))
            for k in (1, 2)
        ]
        return sum(waves, start=torch.zeros(()))

    return make


@pytest.fixture
def config() -> dict[str, Any]:
    """Settings of a surrogate for one scalar in one dimension."""
    return {
        "run_params": {"model_type": "synthetic", "seed": 1},
        "model": {
            "synthetic": {
                "name": "UNet",
                "input_specs": {"u": 1},
                "output_specs": {"u": 1},
                "architecture": {"hidden_channels": 8, "depth": 1},
            }
        },
        "trainer_params": {
            "epochs": 6,
            "batch_size": 8,
            "learning_rate": 5e-3,
            "num_predict_steps": 2,
        },
    }


@pytest.fixture
def make_trainer(config) -> Callable[..., SyntheticTrainer]:
    """A trainer with a new model; keyword arguments override ``trainer_params``."""

    def make(spatial_dims: int = 1, **overrides: Any) -> SyntheticTrainer:
        settings = config | {"trainer_params": config["trainer_params"] | overrides}
        boundary = (("periodic", "periodic"),) * spatial_dims
        model = UNet(settings, spatial_dims=spatial_dims, boundary=boundary)
        return SyntheticTrainer(settings, model)

    return make


@pytest.fixture
def make_loader() -> Callable[..., DataLoader]:
    """A data loader with a shuffle determined by seed and epoch."""

    def make(trajectories: torch.Tensor, steps: int = 2, batch_size: int = 8) -> DataLoader:
        windows = Windows(trajectories, steps)
        return DataLoader(windows, batch_size=batch_size, sampler=EpochSampler(windows, seed=1))

    return make
