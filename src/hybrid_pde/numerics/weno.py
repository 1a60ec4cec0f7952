"""Fifth-order weighted essentially non-oscillatory (WENO) advection for solutions with shocks.

The derivative is a weighted combination of three three-point stencils. In smooth regions it is of
fifth order; near a shock the weights of the stencils that cross it vanish, which avoids
oscillations.

Tensors have named dimensions: any batch and channel dimensions, spatial ones x, y, z.

Sources: Jiang and Shu (1996), Journal of Computational Physics 126, 202-228 (flux splitting and
smoothness indicators); Jiang and Peng (2000), SIAM Journal on Scientific Computing 21, 2126-2143
(advective form); Borges, Carmona, Costa and Don (2008), Journal of Computational Physics 227,
3191-3211 (WENO-Z weights, which keep the order at critical points).
"""

from collections.abc import Mapping, Sequence

from phi.torch.flow import math

from hybrid_pde.domain.grid import Grid, Side
from hybrid_pde.numerics.finite_difference import FiniteDifference
from hybrid_pde.numerics.ghost_points import mirror_rule, rules_of
from hybrid_pde.numerics.runge_kutta import IMAGINARY_LIMIT
from hybrid_pde.numerics.stencils import GhostRule

# Linear weights with which the three stencils combine to the fifth-order difference.
_LINEAR_WEIGHTS = (0.1, 0.6, 0.3)
# Lower bound of a smoothness indicator relative to the sum of all three; independent of the unit of
# the field.
_LEAST_ROUGHNESS = 1e-6
# Avoids 0/0 for a constant field; a normal number in single precision too.
_TINY = 1e-30
# Ghost points at each end of an axis for the widest stencil.
_REACH = 3
# Largest Courant number |v| dt / dx of the Runge-Kutta method. On smooth solutions 1.73 is stable
# (the largest c with |R(c λ)| <= 1 for all eigenvalues λ of the fifth-order upwind difference). The
# total variation of a standing shock grows by 2 % at 1.14 and by 0.2 % at 1.0, which is the limit
# times the safety factor of 0.8.
LARGEST_COURANT = 1.25


class Weno(FiniteDifference):
    """Fourth-order central differences with fifth-order upwind WENO advection.

    An unresolved shock is three or four spacings wide. At a wall the field is mirrored: evenly at
    zero slope, oddly about a prescribed value, which is of second order in the spacing. Inflow
    through a wall of zero slope is not determined by the equation and may grow without diffusion.

    Args:
        grid: Grid of every field.
        boundary_values: Fixed values that replace the grid's, by ``boundary.<axis>.<side>``.
    """

    has_forward_mode = True

    def __init__(
        self, grid: Grid, boundary_values: Mapping[str, math.Tensor] | None = None
    ) -> None:
        super().__init__(grid, 4, boundary_values)

    def advect(self, velocity: math.Tensor, u: math.Tensor) -> math.Tensor:
        """Upwind (velocity·∇)u.

        For self-advection (``velocity is u``) the derivative of each component along its own axis
        is the flux derivative ∂(u²/2)/∂x, so shocks have the speed of the conservation law and Σu
        is conserved on a periodic line. All other products are in advective form, which is correct
        if one of the two factors is smooth.

        The scheme is stable for rates that subtract a positive multiple of the result; with a
        negative factor it is unstable.

        Args:
            velocity: Vector with a component of the dimension ``vector`` for each axis, uniform
                or a field; or ``u`` itself, on one axis possibly without that dimension.
            u: Scalar or vector; a vector is advected component by component.
        """
        axes = self.grid.axes
        if velocity is not u:
            return sum(self._upwind(_along(velocity, axis), u, axis) for axis in axes)
        if "vector" not in u.shape:
            assert len(axes) == 1, "a scalar can advect itself on one axis only"
            return self._flux_derivative(u, axes[0])
        components = [
            sum(
                self._flux_derivative(u.vector[own], axis)
                if own == axis
                else self._upwind(u.vector[axis], u.vector[own], axis)
                for axis in axes
            )
            for own in axes
        ]
        return math.stack(components, u.shape["vector"])

    def eigenvalue(self, order: int) -> float:
        """Largest |λ| dxⁿ of the derivative of order n.

        For n = 1, the imaginary eigenvalue with the same largest stable step.
        """
        return IMAGINARY_LIMIT / LARGEST_COURANT if order == 1 else super().eigenvalue(order)

    def _upwind(self, velocity: math.Tensor, u: math.Tensor, axis: str) -> math.Tensor:
        """Upwind v ∂u/∂axis from the five differences shifted to the upstream side."""
        n = u.shape.get_size(axis)
        values = _steps(self._with_ghosts(u, axis), axis)
        bends = _steps(values, axis)
        mirrored = -bends
        rightward = velocity > 0
        middle = math.where(rightward, _part(values, axis, 2, n), _part(values, axis, 3, n))
        steps = [
            math.where(rightward, _part(bends, axis, k, n), _part(mirrored, axis, 4 - k, n))
            for k in range(4)
        ]
        derivative = middle + _offset(steps, _weights(_roughness_ratios(steps)))
        return velocity * derivative * (1 / self.spacing[axis])

    def _flux_derivative(self, u: math.Tensor, axis: str) -> math.Tensor:
        """∂(u²/2)/∂axis by local Lax-Friedrichs splitting, as a difference of face fluxes.

        All four reconstructions use the smoothness of u instead of that of the split fluxes
        u²/2 ± s u, which have additional critical points with a loss of order.
        """
        n = u.shape.get_size(axis)
        values = self._with_ghosts(u, axis)
        fluxes = 0.5 * values**2
        ratios = _roughness_ratios(_stencil(values, axis, n))
        onward, back = _weights(ratios), _weights(ratios[::-1])
        sums = []
        # Reconstructions at each face from the points below and above it.
        for quantity in (fluxes, values):
            steps, middle = _stencil(quantity, axis, n), _part(quantity, axis, 2, n + 2)
            before = _part(middle + _offset(steps, onward), axis, 0, n + 1)
            behind = _part(middle - _offset(steps[::-1], back), axis, 1, n + 1)
            sums.append((before, behind))
        (flux_before, flux_behind), (before, behind) = sums
        # The speed |∂(u²/2)/∂u| = |u|, the maximum of both sides of the face.
        speeds = math.abs(_part(values, axis, 2, n + 2))
        speed = math.maximum(_part(speeds, axis, 0, n + 1), _part(speeds, axis, 1, n + 1))
        flux = flux_before + flux_behind + speed * (before - behind)
        return _steps(flux, axis) * (0.5 / self.spacing[axis])

    def _with_ghosts(self, u: math.Tensor, axis: str) -> math.Tensor:
        """``u`` with three ghost points on each side of an axis."""

        def choose(side: Side, on_wall: bool) -> GhostRule:
            return mirror_rule(side, on_wall, _REACH)

        return self._extended(u, axis, rules_of(self.grid, axis, choose, _REACH))


def _roughness_ratios(steps: Sequence[math.Tensor]) -> list[math.Tensor]:
    """WENO-Z factors 1 + (τ / (β_k + ε))² of the linear weights; 1 for a smooth field.

    Args:
        steps: The four differences between five neighbours.
    """
    e1, e2, e3, e4 = steps
    bends = (e2 - e1, e3 - e2, e4 - e3)
    slopes = (3 * e2 - e1, e2 + e3, e4 - 3 * e3)
    rough = [
        (13 / 12) * bend**2 + 0.25 * slope**2 for bend, slope in zip(bends, slopes, strict=True)
    ]
    least = _LEAST_ROUGHNESS * (rough[0] + rough[1] + rough[2]) + _TINY
    difference = rough[2] - rough[0]
    return [1 + (difference / (beta + least)) ** 2 for beta in rough]


def _weights(ratios: Sequence[math.Tensor]) -> list[math.Tensor]:
    """Weights of the stencils 0-2, 1-3 and 2-4 of five neighbours; their sum is 1/6."""
    raw = [weight * ratio for weight, ratio in zip(_LINEAR_WEIGHTS, ratios, strict=True)]
    scale = 1 / (6 * (raw[0] + raw[1] + raw[2]))
    return [weight * scale for weight in raw]


def _offset(steps: Sequence[math.Tensor], weights: Sequence[math.Tensor]) -> math.Tensor:
    """Reconstructed value half a spacing downwind of the middle of five points, minus its value.

    The five values, in flow direction, are cell means. For fluxes, differences of the reconstructed
    face values are the derivative; for differences of neighbours, the reconstructed value itself is
    the derivative at the point.
    """
    e1, e2, e3, e4 = steps
    upwind, middle, downwind = weights
    return upwind * (5 * e2 - 2 * e1) + middle * (e2 + 2 * e3) + downwind * (4 * e3 - e4)


def _stencil(padded: math.Tensor, axis: str, n: int) -> list[math.Tensor]:
    """The four differences around each of the n points and the two adjacent ghost points."""
    steps = _steps(padded, axis)
    return [_part(steps, axis, k, n + 2) for k in range(4)]


def _steps(u: math.Tensor, axis: str) -> math.Tensor:
    return u[{axis: slice(1, None)}] - u[{axis: slice(0, -1)}]


def _along(velocity: math.Tensor, axis: str) -> math.Tensor:
    return velocity.vector[axis] if "vector" in velocity.shape else velocity


def _part(u: math.Tensor, axis: str, start: int, count: int) -> math.Tensor:
    return u[{axis: slice(start, start + count)}]
