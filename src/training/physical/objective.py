"""The residual between rollouts and observations, its derivatives, and nothing else.

The residual r has one entry a window, frame and grid value, divided by the field's standard
deviation and by the root of how often its observation occurs. With N distinct observed numbers
the loss is |r|²/N, a mean square in units of the data's variance.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.autograd.forward_ad as forward_ad

from src.errors import DivergenceError
from src.models.physical.physical_model import PhysicalModel
from src.training.physical.observations import Observations
from src.training.physical.parameter_vector import ParameterVector


@dataclass(frozen=True)
class Linearization:
    """Residual and Jacobian at one z, compressed by QR.

    ``[J r] = Q R``: the columns of R have the same inner products as those of ``[J r]``, so that
    least squares on them gives the same step.

    Attributes:
        z: Where it was taken.
        jacobian: First p columns of R, ``[p + 1, p]``.
        residual: Last column of R, ``[p + 1]``.
        loss: |r|²/N.
    """

    z: np.ndarray
    jacobian: np.ndarray
    residual: np.ndarray
    loss: float


class Objective:
    """Misfit of a model to observations as a function of its learnable parameters.

    Args:
        model: The model; its own parameters stay as they are.
        observations: What is fitted.
        vector: The learnable parameters.
        dt: Time between frames [time].
    """

    def __init__(
        self,
        model: PhysicalModel,
        observations: Observations,
        vector: ParameterVector,
        dt: float,
    ) -> None:
        self.model, self.observations, self.vector, self.dt = model, observations, vector, dt
        self.substeps_used = 0
        _load_forward_mode()
        self._last: Linearization | None = None

    def linearize(self, z: np.ndarray) -> Linearization:
        """Residual and Jacobian by forward-mode derivatives, one pass an entry of z.

        The passes run in lockstep over the frames, and each frame is folded into R at once:
        memory depends neither on the number of frames nor on that of the observations.

        Raises:
            DivergenceError: if a rollout leaves the finite numbers.
        """
        if self._last is not None and np.array_equal(z, self._last.z):
            return self._last
        size = len(z) + 1
        triangle = torch.zeros(size, size, dtype=torch.float64)
        self.substeps_used = 0
        for numbers in self.observations.chunks():
            with forward_ad.dual_level(), torch.no_grad():
                for block in self._blocks(z, numbers):
                    if not bool(torch.isfinite(block).all()):
                        raise DivergenceError(
                            f"{self.model.spec.name}: the derivatives of the rollout are not "
                            f"finite at {dict(zip(self.vector.labels, z, strict=True))}"
                        )
                    triangle = torch.linalg.qr(torch.cat([triangle, block]), mode="r").R
        compressed = triangle.numpy()
        residual = compressed[:, -1]
        loss = float(residual @ residual) / self.observations.num_values
        self._last = Linearization(np.array(z), compressed[:, :-1], residual, loss)
        return self._last

    def loss_and_gradient(self, z: np.ndarray) -> tuple[float, np.ndarray]:
        """|r|²/N and its gradient by z, by reverse-mode derivatives.

        Raises:
            DivergenceError: if a rollout leaves the finite numbers.
        """
        flat = torch.tensor(z * self.vector.scale, requires_grad=True)
        loss = 0.0
        self.substeps_used = 0
        for numbers in self.observations.chunks():
            parameters = self.vector.from_flat(flat)
            part = torch.zeros((), dtype=torch.float64)
            for frame, state in enumerate(self._rollout(numbers, parameters)):
                for name, predicted in state.items():
                    part = part + (self._residual(numbers, frame, name, predicted) ** 2).sum()
            part = part / self.observations.num_values
            part.backward()
            loss += float(part.detach())
        assert flat.grad is not None
        gradient = flat.grad.numpy() * self.vector.scale
        if not np.isfinite(gradient).all():
            raise DivergenceError(f"{self.model.spec.name}: the gradient is not finite")
        return loss, gradient

    def _blocks(self, z: np.ndarray, numbers: list[int]) -> Iterator[torch.Tensor]:
        """``[J r]`` of every frame and field, ``[values, p + 1]``."""
        rollouts = []
        for entry in range(len(z)):
            parameters = self.vector.all_tensors(z)
            name, tangent = self.vector.direction(entry)
            parameters[name] = forward_ad.make_dual(parameters[name], tangent)
            rollouts.append(self._rollout(numbers, parameters))
        for frame, states in enumerate(zip(*rollouts, strict=True)):
            for name in self.observations.fields:
                duals = [forward_ad.unpack_dual(state[name]) for state in states]
                weight = self.observations.weight(numbers, frame, name)
                columns = [
                    torch.zeros_like(primal) if tangent is None else tangent * weight
                    for primal, tangent in duals
                ]
                columns.append(self._residual(numbers, frame, name, duals[0].primal))
                yield torch.stack([column.reshape(-1) for column in columns], dim=1)

    def _rollout(
        self, numbers: list[int], parameters: dict[str, torch.Tensor]
    ) -> Iterator[dict[str, torch.Tensor]]:
        observations = self.observations
        assert observations.grid is not None
        steps = observations.windows[numbers[0]].num_frames
        state = observations.initial(numbers)
        entries = [f"window {number}" for number in numbers]
        for frame in self.model.rollout(
            state, observations.grid, steps, self.dt, parameters, entries
        ):
            self.substeps_used = max(self.substeps_used, self.model.substeps_used)
            yield frame

    def _residual(
        self, numbers: list[int], frame: int, name: str, predicted: torch.Tensor
    ) -> torch.Tensor:
        target = self.observations.target(numbers, frame, name)
        return (predicted - target) * self.observations.weight(numbers, frame, name)


def _load_forward_mode() -> None:
    """Let PyTorch load its rules, which it does at the first use by a means it has deprecated."""
    with warnings.catch_warnings(), forward_ad.dual_level():
        warnings.simplefilter("ignore", DeprecationWarning)
        forward_ad.make_dual(torch.zeros(()), torch.zeros(()))
