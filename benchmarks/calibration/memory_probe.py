"""Linearizes a calibration over a number of steps and prints its peak memory in MiB.

Run as ``python -m benchmarks.calibration.memory_probe 2000``.
"""

import sys

import torch

from benchmarks.environment import peak_memory

STEPS = (20, 200, 2000)


def main(steps: int) -> None:
    """One linearization of 2D Burgers on 64², one trajectory, a step a frame."""
    from benchmarks.calibration.costs import _objective

    x = torch.arange(64, dtype=torch.float64) / 64 * 2 * torch.pi
    sine, cosine = torch.sin(x), torch.cos(x)
    start = torch.stack([torch.outer(sine, cosine), torch.outer(cosine, sine)])
    # Only the last frame of the trajectory is seen: the frames themselves are data, not memory that
    # the method needs.
    frames = torch.stack([start, 0.9 * start])[None]
    objective = _objective(frames)
    objective.model.numerics = objective.model.numerics.model_copy(update={"substeps": steps})
    objective.dt = steps * 1e-4
    objective.linearize(objective.vector.read())
    print(peak_memory() / 2**20)


if __name__ == "__main__":
    main(int(sys.argv[1]))
