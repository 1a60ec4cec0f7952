"""Field parametrized by Gaussians on a constant background."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from hybrid_pde.config.error_messages import suggest
from hybrid_pde.config.schema import Gaussians
from hybrid_pde.domain.grid import PERIODIC, Grid, axis_points
from hybrid_pde.errors import ConfigError
from hybrid_pde.training.physical.fields.initial_guess import (
    FieldCoefficient,
    finite_numbers,
    invalid_value,
    magnitude,
)

# Irrational (golden ratio, square root of two), so that no two centres share a coordinate.
STRIDES = (0.6180339887498949, 0.4142135623730951)


class GaussianField:
    """Gaussians with learnable amplitudes, centres and widths; a :class:`FieldParametrization`.

    κ(x) = background + Σ a exp(−|x − c|²/w²), clipped to ``clip``.

    θ holds the amplitudes, the centres (one after the other), and the widths unless they are fixed.
    Along a periodic axis |x − c| is the distance to the nearest image, and c may be any number; κ
    has a kink at the distance L/2 from c, where the Gaussian has decayed to exp(−L²/4w²). At
    clipped points the derivatives are zero.

    Args:
        section: Number of Gaussians, background, fixed width, limits of κ.
        grid: Grid of the field.
        initial_guess: ``{amplitude: […], centre: [[x, y], …], width: […]}``, all optional; one
            number for all amplitudes or widths. By default amplitudes are 1, centres are spread
            over the domain, and widths are a quarter of the shortest side of the domain.
        label: Name of the parameter.

    Raises:
        ConfigError: for an unknown key, a wrong count, a centre outside the domain, a width that
            the grid does not resolve, or an initial guess with zero derivatives.
    """

    def __init__(self, section: Gaussians, grid: Grid, initial_guess: Any, label: str) -> None:
        self._section, self._grid, self._label = section, grid, label
        self._lower, self._upper = np.array(grid.lower), np.array(grid.upper)
        # Narrower Gaussians may fall between grid points.
        self._narrowest = min(grid.spacing) / 2
        entries = [*self._entries(self._mapping(initial_guess))]
        self.labels = [entry.label for entry in entries]
        self.start = np.array([entry.start for entry in entries])
        self.scale = np.array([entry.scale for entry in entries])
        self.lower = np.array([entry.lower for entry in entries])
        self.upper = np.array([entry.upper for entry in entries])
        self._check_start()

    def values(self, theta: torch.Tensor, grid: Grid | None = None) -> torch.Tensor:
        """The field ``[*space]`` at the points of a grid, by default that of the data."""
        field = self._unclipped(theta, grid or self._grid)
        lower, upper = self._section.clip or (None, None)
        return field if lower is None and upper is None else torch.clamp(field, lower, upper)

    def penalty(self, theta: torch.Tensor) -> torch.Tensor | None:
        """None: Gaussians are smooth."""
        return None

    def adopt_magnitude(self, theta: torch.Tensor) -> bool:
        """False: there is no penalty."""
        return False

    def describe(self, theta: torch.Tensor) -> dict[str, Any]:
        """Background, amplitudes, centres (within the domain) and widths."""
        amplitude, centre, width = (part.numpy() for part in self._split(theta.detach()))
        wrapped = self._lower + np.mod(centre - self._lower, self._upper - self._lower)
        return {
            "background": self._section.background,
            "amplitude": amplitude.tolist(),
            "centre": np.where(self._is_periodic(), wrapped, centre).tolist(),
            "width": width.tolist(),
        }

    def _split(self, theta: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Amplitudes ``[G]``, centres ``[G, axes]``, widths ``[G]``."""
        count, axes = self._section.count, len(self._grid.axes)
        amplitude, others = theta[:count], theta[count:]
        centre = others[: count * axes].reshape(count, axes)
        if self._section.width is not None:
            return amplitude, centre, torch.full_like(amplitude, self._section.width)
        return amplitude, centre, others[count * axes :]

    def _unclipped(self, theta: torch.Tensor, grid: Grid) -> torch.Tensor:
        amplitude, centre, width = self._split(theta)
        points = [torch.from_numpy(each) for each in axis_points(grid).values()]
        bumps = amplitude
        for axis, periodic in enumerate(self._is_periodic()):
            distance = points[axis].to(theta) - centre[:, axis, None]
            if periodic:
                length = float(self._upper[axis] - self._lower[axis])
                distance = distance - length * torch.round(distance / length)
            profile = torch.exp(-((distance / width[:, None]) ** 2))
            shape = (
                self._section.count,
                *(1,) * axis,
                -1,
            )  # a Gaussian is a product of one-dimensional profiles
            bumps = bumps.unsqueeze(-1) * profile.reshape(shape)
        return self._section.background + bumps.sum(0)

    def _is_periodic(self) -> list[bool]:
        return [sides == (PERIODIC, PERIODIC) for sides in self._grid.boundary]

    def _mapping(self, guess: Any) -> dict[str, Any]:
        key, known = f"{self._label}.initial_guess", ("amplitude", "centre", "width")
        if guess is None:
            return {}
        if not isinstance(guess, dict):
            raise invalid_value(key, guess, f"a mapping of {', '.join(known)}")
        for name in guess:
            if name not in known:
                raise ConfigError(f"{key}: {suggest(name, known)}")
        if "width" in guess and self._section.width is not None:
            raise invalid_value(
                f"{key}.width",
                guess["width"],
                f"{self._label}.parametrization.width fixes it at {self._section.width:g}; leave "
                "one of them out",
            )
        return guess

    def _entries(self, guess: dict[str, Any]) -> Iterator[FieldCoefficient]:
        amplitudes = self._per_gaussian("amplitude", guess.get("amplitude", 1.0))
        for number, amplitude in enumerate(amplitudes):
            label = f"{self._label}.amplitude[{number}]"
            yield FieldCoefficient(label, amplitude, abs(amplitude) or magnitude(amplitudes))
        for number, centre in enumerate(self._centres(guess.get("centre"))):
            for axis, periodic in enumerate(self._is_periodic()):
                label = f"{self._label}.centre[{number}].{self._grid.axes[axis]}"
                lower, upper = self._lower[axis], self._upper[axis]
                limits = (-np.inf, np.inf) if periodic else (lower, upper)
                yield FieldCoefficient(label, centre[axis], upper - lower, *limits)
        if self._section.width is None:
            side = float((self._upper - self._lower).min())
            widths = self._per_gaussian("width", guess.get("width", side / 4))
            for number, width in enumerate(widths):
                label = f"{self._label}.width[{number}]"
                yield FieldCoefficient(label, width, width, self._narrowest)

    def _per_gaussian(self, name: str, value: Any) -> np.ndarray:
        count = self._section.count
        key = f"{self._label}.initial_guess.{name}"
        allowed = f"one number, or a list of {count}, one for each of the {count} Gaussians"
        numbers = finite_numbers(key, value, allowed)
        if numbers.shape not in ((), (count,)):
            raise invalid_value(key, value, allowed)
        return np.broadcast_to(numbers, count)

    def _centres(self, value: Any) -> np.ndarray:
        """Centres ``[G, axes]``; by default spread evenly along all axes."""
        count, axes = self._section.count, self._grid.axes
        if value is None:
            order = np.arange(count)
            shares = [(order + 0.5) / count]
            shares += [np.mod(0.5 + order * stride, 1) for stride in STRIDES[: len(axes) - 1]]
            return self._lower + np.stack(shares, axis=1) * (self._upper - self._lower)
        key = f"{self._label}.initial_guess.centre"
        allowed = f"a list of {count} point(s) [{', '.join(axes)}], one for each Gaussian"
        numbers = finite_numbers(key, value, allowed)
        if len(axes) == 1 and numbers.shape == (count,):
            numbers = numbers[:, None]  # in 1D a centre is a number
        if numbers.shape != (count, len(axes)):
            raise invalid_value(key, value, allowed)
        for number, centre in enumerate(numbers):
            if (centre < self._lower).any() or (centre > self._upper).any():
                ends = zip(axes, self._grid.lower, self._grid.upper, strict=True)
                domain = ", ".join(f"{axis}: [{low:g}, {high:g}]" for axis, low, high in ends)
                raise invalid_value(
                    f"{key}[{number}]", centre.tolist(), f"outside the domain {domain}"
                )
        return numbers

    def _check_start(self) -> None:
        """Check that the derivatives at the initial guess neither vanish nor coincide."""
        theta = torch.from_numpy(self.start)
        amplitude, centre, width = (part.numpy() for part in self._split(theta))
        if (width < self._narrowest).any():
            at = "parametrization" if self._section.width is not None else "initial_guess"
            raise invalid_value(
                f"{self._label}.{at}.width",
                float(width.min()),
                f"the grid does not resolve it; at least {self._narrowest:g}, half the spacing",
            )
        if len(np.unique(np.column_stack([amplitude, centre, width]), axis=0)) < len(width):
            raise invalid_value(
                f"{self._label}.initial_guess.centre",
                centre.tolist(),
                "two Gaussians have the same initial guess and would stay equal; choose different "
                "centres",
            )
        if self._section.clip is not None:
            self._check_clip(self._unclipped(theta, self._grid))

    def _check_clip(self, start: torch.Tensor) -> None:
        assert self._section.clip is not None
        lower, upper = (
            default if limit is None else limit
            for limit, default in zip(self._section.clip, (-np.inf, np.inf), strict=True)
        )
        key = f"{self._label}.parametrization.clip"
        if lower >= upper:
            raise invalid_value(
                key, list(self._section.clip), "must be [lower, upper] with lower < upper"
            )
        if bool(((start <= lower) | (start >= upper)).all()):
            raise invalid_value(
                key,
                list(self._section.clip),
                f"the initial guess, {float(start.min()):g} … {float(start.max()):g}, is outside "
                "everywhere, where its derivatives are zero; start from other amplitudes",
            )
