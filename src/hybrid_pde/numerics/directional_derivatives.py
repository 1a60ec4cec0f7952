"""Forward-mode derivatives of functions of tensors along several directions.

Layout: ``G`` directions.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.autograd.forward_ad as forward_ad

from hybrid_pde.numerics.graph_recorder import Tensors

# Tangents ``[G, …]`` of a tensor; ``None`` if it has none.
Direction = torch.Tensor | None
# Values and tangents of the results from the arguments and the tangents of the first of them.
Pushforward = Callable[[Tensors, Tensors], tuple[Tensors, Tensors]]


def along(
    function: Callable[..., Tensors], moving: Sequence[bool]
) -> Callable[[Tensors, Tensors], list[torch.Tensor]]:
    """The function and its derivative along one direction.

    Args:
        function: The function.
        moving: Whether each argument has a tangent.

    Returns:
        The results and then their tangents, from the arguments and the tangents of those that have
        one.
    """

    def run(values: Tensors, tangents: Tensors) -> list[torch.Tensor]:
        left = iter(tangents)
        with _forward_mode():
            results = function(
                *(
                    forward_ad.make_dual(value, next(left)) if has_tangent else value
                    for value, has_tangent in zip(values, moving, strict=True)
                )
            )
            pairs = [forward_ad.unpack_dual(result) for result in results]
        slopes = [torch.zeros_like(u) if slope is None else slope for u, slope in pairs]
        return [*(value for value, _ in pairs), *slopes]

    return run


def directional(function: Callable[[Tensors], Tensors], tangents: Tensors) -> Tensors:
    """Results of a function that do not depend on the direction, and then those that do.

    Args:
        function: Equally many of both from one direction.
        tangents: The directions ``[G, …]``.
    """

    def each(*one: torch.Tensor) -> tuple[tuple[torch.Tensor, ...], tuple[torch.Tensor, ...]]:
        results = tuple(function(one))
        return results[: len(results) // 2], results[len(results) // 2 :]

    with warnings.catch_warnings():
        # An operation without a rule for several directions is run for each: slow, but right.
        warnings.filterwarnings("ignore", message=".*performance drop")
        out_dims: Any = (None, 0)
        values, slopes = torch.func.vmap(each, out_dims=out_dims)(*tangents)
    return [*values, *(slope.contiguous() for slope in slopes)]


def one_after_the_other(
    function: Callable[..., Tensors], held: Tensors, directions: Sequence[Direction]
) -> Pushforward:
    """A function of held and changing tensors with its derivatives, direction by direction.

    Args:
        function: The function.
        held: The first arguments.
        directions: Their tangents.
    """
    own = [direction for direction in directions if direction is not None]

    def push(changing: Tensors, tangents: Tensors) -> tuple[Tensors, Tensors]:
        rest = len(changing) - len(tangents)
        moving = [d is not None for d in directions] + [True] * len(tangents) + [False] * rest
        run = along(function, moving)
        found = [
            run([*held, *changing], [each[number] for each in (*own, *tangents)])
            for number in range(len(tangents[0]))
        ]
        half = len(found[0]) // 2
        return found[0][:half], [torch.stack(slopes) for slopes in zip(*found, strict=True)][half:]

    return push


@contextmanager
def _forward_mode() -> Iterator[None]:
    """The level of forward mode that is open, or a new one: PyTorch has only one at a time."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of the first use
            level = forward_ad.dual_level()
            level.__enter__()
    except RuntimeError:
        yield
        return
    try:
        yield
    finally:
        level.__exit__(None, None, None)
