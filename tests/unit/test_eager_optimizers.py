"""Optimizers without the marks of PyTorch's compiler take the same steps."""

import pytest
import torch

from hybrid_pde.training import eager_optimizers

KINDS = {
    "AdamW": {"weight_decay": 0.1, "fused": True},
    "Adam": {},
    "SGD": {},
}


def trained(kind: type[torch.optim.Optimizer], **options: object) -> torch.Tensor:
    weights = torch.nn.Parameter(torch.linspace(-1, 1, 6).reshape(2, 3))
    optimizer = kind([weights], lr=0.1, **options)
    for step in range(3):
        optimizer.zero_grad()
        ((weights - step) ** 2).sum().backward()
        optimizer.step()
        optimizer.load_state_dict(optimizer.state_dict())
    return weights.detach()


@pytest.mark.parametrize("name", KINDS)
def test_steps_are_those_of_pytorch(name: str) -> None:
    ours, theirs = (
        trained(getattr(package, name), **KINDS[name])
        for package in (eager_optimizers, torch.optim)
    )
    assert torch.equal(ours, theirs)
    assert not torch.equal(ours, torch.linspace(-1, 1, 6).reshape(2, 3))
