"""Optimizers of PyTorch whose steps are never compiled.

PyTorch marks the methods of an optimizer for its compiler when they are first called, and imports
the compiler for that, which takes 1.5 s. The methods here are the same without the mark.
"""

import inspect

import torch


class _Unmarked(torch.optim.Optimizer):
    """The methods that all optimizers share."""

    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    load_state_dict = inspect.unwrap(torch.optim.Optimizer.load_state_dict)
    state_dict = inspect.unwrap(torch.optim.Optimizer.state_dict)
    zero_grad = inspect.unwrap(torch.optim.Optimizer.zero_grad)


class AdamW(_Unmarked, torch.optim.AdamW):
    """See :class:`torch.optim.AdamW`."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))


class Adam(_Unmarked, torch.optim.Adam):
    """See :class:`torch.optim.Adam`."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.Adam.step))


class SGD(_Unmarked, torch.optim.SGD):
    """See :class:`torch.optim.SGD`."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.SGD.step))
