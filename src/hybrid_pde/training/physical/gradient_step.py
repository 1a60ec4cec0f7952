"""Single optimizer steps (Adam, SGD) on the learnable parameters."""

from collections.abc import Sequence

import numpy as np
import torch

from hybrid_pde.errors import DivergenceError
from hybrid_pde.training.eager_optimizers import SGD, Adam
from hybrid_pde.training.physical.evaluation_log import Values
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.parameter_vector import ParameterVector


class GradientSteps:
    """Adam or gradient descent on the vector of learnable parameters.

    The entries of the vector are of order one, so the learning rate is relative to the initial
    guess.

    Args:
        vector: The learnable parameters.
        method: ``adam`` or ``sgd``.
        learning_rate: Relative to the initial guess.

    Attributes:
        optimizer: The torch optimizer.
    """

    def __init__(self, vector: ParameterVector, method: str, learning_rate: float) -> None:
        self.vector = vector
        self.z = torch.nn.Parameter(torch.from_numpy(vector.read()))
        kind = Adam if method == "adam" else SGD
        self.optimizer: torch.optim.Optimizer = kind([self.z], lr=learning_rate)

    def step(self, objective: Objective, numbers: Sequence[int]) -> float:
        """One step on some windows; returns their loss before the step.

        Raises:
            DivergenceError: if the rollout or the gradient is not finite.
        """
        with torch.no_grad():
            self.z.copy_(
                torch.from_numpy(self.vector.read())
            )  # the model may have changed since the last step
        found = objective.evaluate(
            "step", self.z.detach().numpy(), lambda: self._gradient(objective, numbers)
        )
        self.z.grad = found["gradient"].clone()
        self.optimizer.step()
        z = np.clip(self.z.detach().numpy(), self.vector.lower, self.vector.upper)
        self.vector.write(z)
        return found["loss"]

    def _gradient(self, objective: Objective, numbers: Sequence[int]) -> Values:
        self.optimizer.zero_grad()
        loss = objective.window_loss(self.z, numbers) + objective.penalty_loss(self.z)
        loss.backward()
        if self.z.grad is None or not bool(torch.isfinite(self.z.grad).all()):
            values = dict(
                zip(self.vector.labels, self.vector.values(self.vector.read()), strict=True)
            )
            raise DivergenceError(
                f"{objective.model.spec.name}: the gradient is not finite at {values}"
            )
        return {"loss": float(loss.detach()), "gradient": self.z.grad.clone()}
