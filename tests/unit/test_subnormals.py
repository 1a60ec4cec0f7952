"""Subnormal numbers count as zero where a surrogate is trained, and nowhere after it."""

import torch

from hybrid_pde.training.subnormals import without_subnormals


def product() -> float:
    return float(torch.full((1,), 1e-30) * 1e-10)


def test_subnormal_numbers_are_zero_inside_and_kept_outside() -> None:
    assert product() > 0
    with without_subnormals():
        assert product() == 0
        with without_subnormals():
            assert product() == 0
        assert product() == 0
    assert product() > 0
