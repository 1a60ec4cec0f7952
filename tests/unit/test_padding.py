"""Padding by the boundary conditions of a grid."""

import pytest
import torch
from torch.nn import functional

from hybrid_pde.models.synthetic.padding import pad

PERIODIC = ("periodic", "periodic")


@pytest.mark.parametrize("widths", [(1, 1), (2, 3), (0, 2), (4, 0)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_periodic_axes_are_extended_as_by_pytorch(widths, layout):
    values = torch.randn(2, 3, 4, 5, dtype=torch.float64).contiguous(memory_format=layout)
    ours, theirs = (values.clone().requires_grad_() for _ in range(2))
    x, y = widths
    padded = pad(ours, widths, (PERIODIC, PERIODIC))
    expected = functional.pad(theirs, (y, y, x, x), mode="circular")
    assert torch.equal(padded, expected)
    assert padded.is_contiguous(memory_format=layout)
    weights = torch.randn_like(expected)
    (padded * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-14, atol=1e-14)


def test_a_periodic_axis_beside_walls():
    values = torch.arange(6.0).view(1, 1, 2, 3)
    padded = pad(values, 1, ((0.5, "zero-gradient"), PERIODIC))
    rows = [[0.5] * 5, [2, 0, 1, 2, 0], [5, 3, 4, 5, 3], [5, 3, 4, 5, 3]]
    assert padded[0, 0].tolist() == rows


def test_three_periodic_axes():
    values = torch.randn(1, 2, 3, 4, 5)
    expected = functional.pad(values, (1,) * 6, mode="circular")
    assert torch.equal(pad(values, 1, (PERIODIC,) * 3), expected)
