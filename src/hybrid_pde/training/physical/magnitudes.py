"""Plausible magnitudes of parameters: log-spaced values in the range that the data can show.

A coefficient in lengthᵃ/timeᵇ changes the solution visibly between dxᵃ/Tᵇ (a cell within a window)
and Lᵃ/dtᵇ (the whole domain within a frame).
"""

import re
from collections.abc import Iterator
from math import ceil, floor, log10

import numpy as np

from hybrid_pde.training.physical.observations import Observations
from hybrid_pde.training.physical.parameter_vector import ParameterVector

_UNIT = re.compile(r"(?:1|(?P<length>length)(?P<a>[²³⁴]?))(?:/time(?P<b>[²³⁴]?))?")
_POWERS = {"": 1, "²": 2, "³": 3, "⁴": 4}
# Decades around the guess, for a parameter of another unit.
_DECADES = 6
# Points at which all parameters have another magnitude.
_NUM_JOINT = 9
# Numbers of a learned field that are lengths, not values.
_PLACES = (".centre", ".width")


def magnitudes(
    vector: ParameterVector, observations: Observations, dt: float, z: np.ndarray
) -> Iterator[list[np.ndarray]]:
    """Points in which one parameter has another magnitude, from small to large values.

    All numbers of a vector or field keep their ratios; named components are varied one by one.
    Values outside the bounds are left out; signs that the bounds allow are tried both.

    Args:
        vector: The learnable parameters.
        observations: The windows, for the range of magnitudes.
        dt: Time between frames [time].
        z: The point to start from.
    """
    theta = vector.values(z)
    for owned, unit in _groups(vector):
        largest = float(np.max(np.abs(theta[owned])))
        shape = theta[owned] / largest if largest > 0 else np.ones(len(owned))
        for sign in (1.0,) if vector.is_log[owned].any() else (1.0, -1.0):
            series = []
            for exponent in _exponents(unit, observations, dt, largest):
                other = np.array(theta)
                # The guess times powers of ten, so that a guess in round numbers stays round.
                size = largest * 10.0**exponent if largest > 0 else 10.0**exponent
                other[owned] = sign * size * shape
                point = np.where(np.isin(np.arange(len(z)), owned), vector.encode(other), z)
                if np.all((vector.lower <= point) & (point <= vector.upper)):
                    series.append(point)
            if series:
                yield series


def joint_magnitudes(
    vector: ParameterVector, observations: Observations, dt: float, z: np.ndarray
) -> list[np.ndarray]:
    """Points in which all parameters have another magnitude, from small to large values.

    For guesses at which more than one parameter is too large: as long as one of them is, the
    solution diverges, whatever the others are. Each parameter is at the same fraction of its range.

    Args:
        vector: The learnable parameters.
        observations: The windows, for the range of magnitudes.
        dt: Time between frames [time].
        z: The point to start from; signs and ratios within a parameter are kept.
    """
    theta = vector.values(z)
    points = []
    for fraction in np.linspace(0.0, 1.0, _NUM_JOINT):
        other = np.array(theta)
        for owned, unit in _groups(vector):
            largest = float(np.max(np.abs(theta[owned])))
            shape = theta[owned] / largest if largest > 0 else np.ones(len(owned))
            exponents = _exponents(unit, observations, dt, largest)
            exponent = exponents[round(fraction * (len(exponents) - 1))]
            other[owned] = (largest if largest > 0 else 1.0) * 10.0**exponent * shape
        points.append(np.clip(vector.encode(other), vector.lower, vector.upper))
    return points


def _groups(vector: ParameterVector) -> Iterator[tuple[list[int], str]]:
    """Numbers that are varied together, with their unit."""
    for name in vector.parameters:
        spec = vector.spec_of(name)
        owned = [
            entry
            for entry in vector.owned(name)
            if not any(place in vector.labels[entry] for place in _PLACES)
        ]
        if spec.components:
            yield from (([entry], spec.unit) for entry in owned)
        elif owned:
            yield owned, spec.unit


def _exponents(unit: str, observations: Observations, dt: float, size: float) -> list[int]:
    """Powers of ten that multiply the size of a guess (1 for zero), in ascending order."""
    found = _UNIT.fullmatch(unit)
    if found is None or (found["length"] is None and "/time" not in unit):
        return [each for each in range(-_DECADES, _DECADES + 1) if each or not size]
    grid, frames = observations.grid, max(w.num_frames for w in observations.windows)
    a = 0 if found["length"] is None else _POWERS[found["a"]]
    b = _POWERS[found["b"] or ""] if "/time" in unit else 0
    lengths = [upper - lower for lower, upper in zip(grid.lower, grid.upper, strict=True)]
    low = min(grid.spacing) ** a / (frames * dt) ** b
    high = max(lengths) ** a / dt**b
    offset = log10(size) if size > 0 else 0.0
    return list(range(floor(log10(low) - offset), ceil(log10(high) - offset) + 1))
