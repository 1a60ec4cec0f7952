"""Exponential Runge-Kutta methods ETDRK2 and ETDRK4 in Fourier space.

For u_t = L u + N(u) with L diagonal in Fourier space, a step h multiplies modes by exp(hL) and by
combinations of h φ_k(hL), where φ_0(z) = e^z and φ_k(z) = (φ_{k-1}(z) - 1/(k-1)!)/z. The linear
part is integrated exactly, so neither diffusion nor dispersion limits the step; the nonlinear part
is explicit. An equation gives its full rate R(u); N(u) = R(u) - L u, mode by mode.

Sources: Cox and Matthews (2002), J. Comput. Phys. 176, 430-455, equations 22 and 26-29; Hochbruck
and Ostermann (2010), Acta Numerica 19, section 2.1, for φ_k.
"""

from collections.abc import Callable, Mapping, Sequence
from math import factorial

import torch
from phi.torch.flow import channel, math, spatial

from hybrid_pde.numerics.fourier_transform import to_modes, to_values

Values = dict[str, math.Tensor]
# Dimension of the weights of one role, which share one tensor.
WEIGHT = "weight"

# Factors of φ_0, φ_1, … in each weight, for z = hL and z = hL/2; all with k > 0 are multiplied by
# h.
_WHOLE_STEP: dict[int, dict[str, tuple[float, ...]]] = {
    2: {"whole": (1,), "stage": (0, 1), "first": (0, 1, -1), "last": (0, 0, 1)},
    4: {"whole": (1,), "first": (0, 1, -3, 4), "middle": (0, 0, 2, -4), "last": (0, 0, -1, 4)},
}
_HALF_STEP: dict[int, dict[str, tuple[float, ...]]] = {2: {}, 4: {"half": (1,), "stage": (0, 0.5)}}

# For |z| <= 1 the quotients suffer from cancellation; this many terms of the power series are exact
# to double precision: 1/(18 + 4)! < 1e-21.
_SERIES_TERMS = 18
_LARGEST_PHI = 4


def coefficients(
    symbols: Mapping[str, math.Tensor], dt: math.Tensor, order: int
) -> dict[str, Values]:
    """Weights of all steps of one length.

    Differentiable once with respect to the symbols, in forward and reverse mode; not with respect
    to ``dt``.

    Args:
        symbols: L by role [1/time], real or complex, over the modes and any other dimensions.
        dt: Time step h [time].
        order: 2 or 4.

    Returns:
        By role a tensor with the dimensions of L and ``weight``: ``linear`` L, ``whole`` exp(hL),
        the weights of the stages, and for order 4 ``half`` exp(hL/2); in the current precision,
        real if L is real.
    """
    return {role: _weights(symbol, dt, order) for role, symbol in symbols.items()}


def exponential_step(
    rate: Callable[[Values], Mapping[str, math.Tensor]],
    modes: Mapping[str, math.Tensor],
    sizes: Mapping[str, int],
    weights: Mapping[str, math.Tensor],
    order: int,
) -> Values:
    """One step of ETDRK2 or ETDRK4: local error O(dt³) or O(dt⁵).

    Args:
        rate: Full rate of change of every field [field/time] as a function of the state, including
            the linear part.
        modes: Fourier modes of real fields by role.
        sizes: Number of points of the fields along each axis.
        weights: The :func:`coefficients` of the step.
        order: 2 or 4, as for ``weights``.

    Returns:
        Modes by role. A purely linear rate is integrated exactly for any step; for a role with
        symbol 0, order 4 is the classical Runge-Kutta method.
    """
    step = _second_order if order == 2 else _fourth_order
    unpacked = {
        role: {name: w.weight[name] for name in w.shape.get_item_names(WEIGHT)}
        for role, w in ((role, math.to_complex(w)) for role, w in weights.items())
    }

    def nonlinear(now: Mapping[str, math.Tensor]) -> Values:
        rates = rate({role: to_values(mode, sizes) for role, mode in now.items()})
        return {
            role: to_modes(math.expand(rates[role], spatial(**sizes)))
            - unpacked[role]["linear"] * now[role]
            for role in now
        }

    return step(dict(modes), nonlinear, unpacked)


def _second_order(
    u: Values, nonlinear: Callable[[Values], Values], weights: Mapping[str, Values]
) -> Values:
    """Equation 22 of Cox and Matthews, with the two occurrences of N(u) combined."""
    begin = nonlinear(u)
    end = nonlinear(
        {role: w["whole"] * u[role] + w["stage"] * begin[role] for role, w in weights.items()}
    )
    return {
        role: w["whole"] * u[role] + w["first"] * begin[role] + w["last"] * end[role]
        for role, w in weights.items()
    }


def _fourth_order(
    u: Values, nonlinear: Callable[[Values], Values], weights: Mapping[str, Values]
) -> Values:
    """Equations 26-29 of Cox and Matthews."""
    begin = nonlinear(u)
    halfway = {role: w["half"] * u[role] for role, w in weights.items()}
    a = {role: halfway[role] + w["stage"] * begin[role] for role, w in weights.items()}
    middle_a = nonlinear(a)
    middle_b = nonlinear(
        {role: halfway[role] + w["stage"] * middle_a[role] for role, w in weights.items()}
    )
    end = nonlinear(
        {
            role: w["half"] * a[role] + w["stage"] * (2.0 * middle_b[role] - begin[role])
            for role, w in weights.items()
        }
    )
    return {
        role: w["whole"] * u[role]
        + w["first"] * begin[role]
        + w["middle"] * (middle_a[role] + middle_b[role])
        + w["last"] * end[role]
        for role, w in weights.items()
    }


def _weights(symbol: math.Tensor, dt: math.Tensor, order: int) -> math.Tensor:
    linear = torch.as_tensor(symbol.native(symbol.shape))
    plain = linear.detach()
    plain = plain.to(torch.promote_types(plain.dtype, torch.float64))
    h = torch.as_tensor(dt.native()).detach().to(torch.float64)
    values, slopes = {"linear": plain}, {"linear": torch.ones_like(plain)}
    for share, combinations in ((1.0, _WHOLE_STEP[order]), (0.5, _HALF_STEP[order])):
        phi = _phi_functions(share * h * plain)
        slope = [share * h * (phi[k] - k * phi[k + 1]) for k in range(_LARGEST_PHI)]
        for name, factors in combinations.items():
            scale: torch.Tensor | float = 1.0 if factors[0] else h
            values[name] = scale * _combination(factors, phi)
            slopes[name] = scale * _combination(factors, slope)
    # Derivatives are attached through a term of value 0: differentiating each operation above would
    # be many times as expensive.
    change = linear - linear.detach()
    packed = math.reshaped_tensor(
        torch.stack(list(values.values())) + torch.stack(list(slopes.values())) * change,
        [channel(**{WEIGHT: ",".join(values)}), *symbol.shape],
    )
    return math.to_complex(packed) if linear.is_complex() else math.to_float(packed)


def _combination(factors: Sequence[float], parts: Sequence[torch.Tensor]) -> torch.Tensor:
    total = torch.zeros_like(parts[0])
    for factor, part in zip(factors, parts, strict=False):
        if factor:
            total = total + factor * part
    return total


def _phi_functions(z: torch.Tensor) -> list[torch.Tensor]:
    """φ_0(z) … φ_4(z), to rounding for every z.

    The contour mean of Kassam and Trefethen (2005), over a circle around z, loses accuracy if the
    circle passes close to 0, which happens for some complex z.
    """
    is_small = z.abs() < 1
    small, large = torch.where(is_small, z, 0), torch.where(is_small, 1, z)
    series = torch.zeros_like(z)
    for power in reversed(range(_SERIES_TERMS)):
        series = series * small + 1 / factorial(power + _LARGEST_PHI)
    near = [series]
    for k in reversed(range(_LARGEST_PHI)):
        near.insert(0, 1 / factorial(k) + small * near[0])
    far = [torch.exp(large)]
    for k in range(_LARGEST_PHI):
        far.append((far[-1] - 1 / factorial(k)) / large)
    return [torch.where(is_small, a, b) for a, b in zip(near, far, strict=True)]
