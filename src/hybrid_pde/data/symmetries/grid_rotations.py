"""Reflections and rotations by 90 degrees of a grid's axes.

A turn is a signed permutation of the axes, q = G p: the old axis k becomes the new axis
``targets[k]``, reversed where ``signs[k]`` is −1; the components of a vector go the same way. On a
grid whose axes fit, points go to points: nothing is interpolated.
"""

import math
from dataclasses import dataclass

from hybrid_pde.config.checks.symmetries import ValidSymmetries


@dataclass(frozen=True)
class Turn:
    """A signed permutation of the axes."""

    targets: tuple[int, ...]
    signs: tuple[int, ...]

    def after(self, first: "Turn") -> "Turn":
        """The turn that is ``first``, then this one."""
        return Turn(
            tuple(self.targets[target] for target in first.targets),
            tuple(
                sign * self.signs[target]
                for target, sign in zip(first.targets, first.signs, strict=True)
            ),
        )

    @property
    def parity(self) -> int:
        """Determinant: −1 for a mirror image."""
        swaps = sum(a > b for i, a in enumerate(self.targets) for b in self.targets[i + 1 :])
        return math.prod(self.signs) * (-1) ** swaps


def turns_of(held: ValidSymmetries, num_axes: int) -> list[Turn]:
    """All reflections and rotations that those which hold make up, first the one that does nothing.

    Args:
        held: What holds.
        num_axes: Number of axes D.
    """
    axes = tuple(range(num_axes))
    identity = Turn(axes, (1,) * num_axes)
    generators = [Turn(axes, tuple(-1 if k == i else 1 for k in axes)) for i in held.reflections]
    for a, b in held.rotations:
        swapped = tuple({a: b, b: a}.get(k, k) for k in axes)
        generators.append(Turn(swapped, tuple(-1 if k == b else 1 for k in axes)))
    found = {identity: None}
    queue = [identity]
    while queue:
        turn = queue.pop(0)
        for generator in generators:
            made = generator.after(turn)
            if made not in found:
                found[made] = None
                queue.append(made)
    return list(found)
