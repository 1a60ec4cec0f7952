"""The time in which neither the parameters nor the distance of frames change.

Layout of native tensors: ``B`` simulations, ``C`` channels, ``X Y Z`` space, ``[B, C, X, Y, Z]``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from hybrid_pde.models.physical.coefficients import (
    Coefficients,
    Natives,
    has_tangents,
    is_differentiated,
    plain,
)
from hybrid_pde.models.physical.equation import Equation
from hybrid_pde.models.physical.listed_steps import (
    ListedSteps,
    StepsBetweenFrames,
    listed_steps,
)
from hybrid_pde.models.physical.step_bounds import StepBounds, are_finite
from hybrid_pde.models.physical.stepper import Stepper
from hybrid_pde.models.physical.steps import Steps
from hybrid_pde.numerics.stability import Bounds, chebyshev_steps, count_substeps, widest
from hybrid_pde.numerics.workload import Workload

# More steps than this between two frames mean that the state or a parameter has run away: the
# rollout would seem to hang.
MAX_SUBSTEPS = 10_000

# Most frames that are computed ahead, and most memory of one of them [bytes]. Larger ones take much
# longer than what is saved, except on accelerators, which wait for each measurement.
_MOST_AHEAD = 16
_LARGEST_AHEAD = {"cpu": 2**18}
_LARGEST_AHEAD_ELSEWHERE = 2**22


@dataclass(frozen=True)
class StepCount:
    """Number of steps between two frames, and their stages in Runge-Kutta-Chebyshev steps."""

    substeps: int
    stages: int | None = None


class Interval:
    """Advances and measures states; keeps what the steps have in common.

    Args:
        stepper: The discretized equation.
        parameters: Parameters of the equation, at the beginning.
        dt: Time between two frames [time].
        workload: The work to come, which decides whether steps are compiled.

    Attributes:
        has_compiled_steps: Whether the steps of some frame were compiled.
    """

    def __init__(
        self, stepper: Stepper, parameters: Coefficients, dt: float, workload: Workload
    ) -> None:
        self.stepper, self.parameters, self.dt, self.workload = stepper, parameters, dt, workload
        self.has_compiled_steps = False
        self._bounds: list[StepBounds] = []
        self._steps: dict[StepCount, Steps] = {}
        self._lists: dict[StepCount, ListedSteps | None] = {}

    def check_supported(self, values: Natives) -> None:
        """Reject what the equation is not meant for."""
        equation, stepper = self.stepper.equation, self.stepper
        if type(equation).check_supported is Equation.check_supported:
            return
        parts = (values, self.parameters.shared, self.parameters.individual)
        now, shared, individual = ({n: plain(v) for n, v in each.items()} for each in parts)
        with stepper.precision():
            parameters = stepper.wrap(Coefficients(shared, individual))
            equation.check_supported(stepper.to_values(now), parameters)

    def most_ahead(self, values: Natives) -> int:
        """Number of frames that may be computed before they are measured."""
        first = next(iter(values.values()))
        limit = _LARGEST_AHEAD.get(first.device.type, _LARGEST_AHEAD_ELSEWHERE)
        size = sum(each.numel() * each.element_size() for each in values.values())
        return 1 if size > limit or is_differentiated(values, self.parameters) else _MOST_AHEAD

    def measure(
        self, frames: "Frames", needs_bounds: bool = True
    ) -> tuple[list[Bounds], list[bool]]:
        """Bounds at the values of each frame, and whether these are finite.

        Args:
            frames: The frames.
            needs_bounds: Whether to measure bounds, which hold at both ends of the interval.
        """
        if not needs_bounds:
            return [], are_finite(frames.values, frames.stacked)
        if frames.measured is not None:
            measured_now = [self._bounds[0].unpacked(row) for row in frames.measured.tolist()]
            return [each.bounds for each in measured_now], [e.is_finite for e in measured_now]
        if not self._bounds:
            parameters = self.parameters
            ends = [parameters, parameters.after(self.dt)] if parameters.slopes else [parameters]
            self._bounds = [StepBounds(self.stepper, at) for at in ends]
        measured = [bounds.at(frames.values, frames.stacked) for bounds in self._bounds]
        finite = [each.is_finite for each in measured[0]]
        if len(measured) == 1:
            return [each.bounds for each in measured[0]], finite
        return [widest([e.bounds for e in ends]) for ends in zip(*measured, strict=True)], finite

    def count_steps(self, bounds: Bounds) -> StepCount | None:
        """Number of stable steps between two frames; ``None`` if there are too many."""
        discretization, dt = self.stepper.discretization, self.dt
        limit = self.stepper.largest_dt(bounds)
        substeps, stages = count_substeps(dt, limit, bounds.reaction_rate), None
        if substeps is None:
            return None
        if discretization.is_second_order and bounds.is_dissipative:
            # Second order in space limits the error anyway: order four in time would gain nothing.
            substeps, stages = chebyshev_steps(dt, limit, bounds.reaction_rate, substeps)
        if substeps > MAX_SUBSTEPS:
            return None
        return StepCount(substeps * discretization.substeps_factor, stages)

    def is_right(self, count: StepCount, measured: Sequence[Bounds]) -> bool:
        """True if all frames with these bounds certainly need these steps."""
        discretization = self.stepper.discretization
        if count != StepCount(discretization.substeps_factor) or discretization.is_second_order:
            return False
        return self.count_steps(widest(measured)) == count

    def advance(self, state: Natives, begin: int, number: int, count: StepCount) -> "Frames":
        """Some frames.

        Args:
            state: State before the first one.
            begin: Number of frames before it.
            number: Number of frames.
            count: Steps in each of them.
        """
        listed = self._listed(state, count)
        if listed is not None:
            self.has_compiled_steps = True
            return Frames(*listed.advance(state, begin, number))
        if count not in self._steps:
            self._steps[count] = self.stepper.steps(
                state, self.parameters, self.dt, count.substeps, count.stages, self.workload
            )
            self.has_compiled_steps |= self._steps[count].are_compiled(state)
        steps = self._steps[count]
        now = []
        for frame in range(begin, begin + number):
            state = steps.advance(state, frame)
            now.append(state)
        values_of = [self.stepper.inverse(each) for each in now]
        return Frames(now, values_of)

    def _listed(self, state: Natives, count: StepCount) -> ListedSteps | None:
        """The steps as a list; ``None`` if they run otherwise."""
        if is_differentiated(state, self.parameters):
            return None
        if count not in self._lists:
            steps = StepsBetweenFrames(self.dt, count.substeps, count.stages, self.workload)
            is_measured = len(self._bounds) == 1
            self._lists[count] = listed_steps(
                self.stepper, state, self.parameters, steps, is_measured
            )
        return self._lists[count]


@dataclass(frozen=True)
class Frames:
    """Consecutive frames.

    Attributes:
        states: Their states.
        values: Their values.
        stacked: The values ``[F, B, C, *space]``, where they are in one piece of memory.
        measured: Rows of :class:`StepBounds`, where they have been computed.
    """

    states: Sequence[Natives]
    values: Sequence[Natives]
    stacked: Sequence[torch.Tensor] | None = None
    measured: torch.Tensor | None = None


class IntervalCache:
    """The last interval of each stepper, device and number of simulations."""

    def __init__(self) -> None:
        self._last: dict[tuple[Stepper, torch.device, int], Interval] = {}

    def get(
        self,
        stepper: Stepper,
        given: tuple[Coefficients, float, Workload],
        values: Natives,
    ) -> Interval:
        """An interval; a new one if the parameters have changed or have derivatives.

        Args:
            stepper: The discretized equation.
            given: Parameters, time between two frames [time], the work to come.
            values: Values at the beginning.
        """
        parameters, dt, workload = given
        if (
            is_differentiated({}, parameters)
            or has_tangents(values, parameters)
            or torch.is_inference_mode_enabled()
            or parameters.slopes
        ):
            return Interval(stepper, *given)
        first = next(iter(values.values()))
        key = (stepper, first.device, len(first))
        last = self._last.get(key)
        is_same = last is not None and (last.dt, last.workload) == (dt, workload)
        if last is None or not is_same or not _is_same(last.parameters, parameters):
            # Optimizers change parameters in place.
            groups = (parameters.shared, parameters.individual)
            copies = [{name: plain(v).clone() for name, v in group.items()} for group in groups]
            last = self._last[key] = Interval(stepper, Coefficients(*copies), dt, workload)
        return last


def _is_same(one: Coefficients, other: Coefficients) -> bool:
    """True if the values are the same."""
    pairs = ((one.shared, other.shared), (one.individual, other.individual))
    return all(
        list(a) == list(b)
        and all(
            v.dtype == w.dtype and v.device == w.device and torch.equal(v, plain(w))
            for v, w in zip(a.values(), b.values(), strict=True)
        )
        for a, b in pairs
    )
