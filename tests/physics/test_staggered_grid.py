"""Staggered velocities: projection, and conversion between cell faces and centres."""

from math import pi

import numpy as np
import pytest
import torch
from phi.torch.flow import Solve, StaggeredGrid, extrapolation, field, fluid, math

from hybrid_pde.config.schema import GaussianRandomField
from hybrid_pde.data.field_conversion import (
    from_field,
    layout_of,
    to_extrapolation,
    to_field,
    to_native,
)
from hybrid_pde.data.initial_states.random_fields import gaussian_random_state
from hybrid_pde.data.staggered_conversion import to_staggered
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.errors import ConfigError
from hybrid_pde.models.physical import NavierStokesPDE
from hybrid_pde.models.physical.ensemble import projections
from hybrid_pde.numerics.discretization import STAGGERED, Discretization
from hybrid_pde.numerics.face_projection import divergence_of_cells, project_faces
from tests.physics.staggered_flow import (
    BOXES,
    PERIODIC,
    SLIP,
    STICK,
    cells,
    centres_of,
    divergence,
    faces_of,
    flow,
    model,
    on_faces,
)
from tests.physics.test_navier_stokes import last, noise


@pytest.mark.parametrize("case", BOXES)
def test_projection_is_orthogonal_and_exact(case):
    grid = cells(*BOXES[case])
    given = noise(len(grid.axes), *grid.shape)
    free = flow(grid)
    assert on_faces(divergence_of_cells, free, grid).abs().max() < 1e-11
    assert free.square().mean() > 0.1
    torch.testing.assert_close(on_faces(project_faces, free, grid), free, rtol=0, atol=1e-12)
    for axis, sides in enumerate(grid.boundary):
        on_wall = given.select(0, axis).select(axis, 0)
        if sides != PERIODIC:
            assert free.select(0, axis).select(axis, 0).abs().max() == 0
            on_wall.zero_()
    assert abs(float(((given - free) * free).sum())) < 1e-10


# PhiML's solver warns that the pressure has a free constant, PyTorch about how it is called.
@pytest.mark.filterwarnings("ignore:Rank deficiency:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Sparse:UserWarning")
def test_projection_agrees_with_phiflow():
    grid = cells((7, 6), (STICK, STICK))
    given = noise(2, 7, 6)
    given[0, 0] = given[1, :, 0] = 0.0
    with math.precision(64):
        faces = to_staggered(centres_of(given, grid), grid, extrapolation.ZERO)
        free, _ = fluid.make_incompressible(faces, solve=Solve("CG", 1e-12, 0))
        found = faces_of(from_field(free, grid, FieldLayout("velocity", ("x", "y"))), grid)
    torch.testing.assert_close(found, on_faces(project_faces, given, grid), rtol=0, atol=1e-9)


@pytest.mark.parametrize("n, periodic", [(12, True), (9, True), (12, False), (9, False)])
def test_faces_are_recovered_from_the_centres(n, periodic):
    grid = cells((n, 4), (PERIODIC if periodic else STICK, PERIODIC))
    faces = noise(2, n, 4)
    alternating = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(n)[:n]
    for axis, (count, wave) in enumerate([(n, alternating), (4, alternating[:4])]):
        component = faces[axis].movedim(axis, 0)
        if axis == 0 and not periodic:
            component[0] = 0.0
        elif count % 2 == 0:
            component -= wave[:, None] * (wave[:, None] * component).mean(0)
    torch.testing.assert_close(faces_of(centres_of(faces, grid), grid), faces)
    mode = 2 if periodic else 3
    x = 0.7 / n * torch.arange(n, dtype=torch.float64)
    wave = torch.sin(mode * pi * x / 0.7)[:, None].expand(n, 4)
    shifted = torch.sin(mode * pi * (x + 0.35 / n) / 0.7)[:, None].expand(n, 4)
    at_centres = centres_of(torch.stack([wave, 0 * wave]), grid)
    torch.testing.assert_close(at_centres[0], shifted)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ConfigError, match="spectral.*pde_params.staggered.*order 2"):
        model(numerics={"scheme": "spectral"})
    with pytest.raises(ConfigError, match="auto, order 4.*pde_params.staggered"):
        model(numerics={"order": 4})
    start = torch.zeros(2, 8, 8)
    with pytest.raises(ConfigError, match=r"pde_params\.staggered: true: nothing flows.* 1\.0"):
        last(model(), start, cells((8, 8), ((1.0, 0.0), PERIODIC)), 1, 0.1)
    nodes = Grid(("x", "y"), (8, 8), (0.0, 0.0), (1.0, 1.0), (STICK, STICK), (True, True))
    with pytest.raises(ConfigError, match="needs cell centres"):
        last(model(), start, nodes, 1, 0.1)
    assert model().discretization == Discretization(STAGGERED, 2)
    assert np.isfinite(float(last(model(), start, cells((8, 8), (SLIP, SLIP)), 1, 0.1).sum()))


@pytest.mark.parametrize("boundary", [(PERIODIC, PERIODIC), (SLIP, STICK), (SLIP, PERIODIC)])
def test_models_accept_and_return_staggered_fields(boundary):
    grid = cells((7, 5), boundary)
    velocity, density = centres_of(flow(grid), grid), noise(1, 7, 5)
    made = model(viscosity=0.01, diffusivity=0.01, buoyancy=[0.3, 1.0])
    expected = last(made, {"velocity": velocity, "density": density}, grid, 2, 0.02)
    with math.precision(64):
        fields = {
            "velocity": to_staggered(velocity, grid, to_extrapolation(grid)),
            "density": to_field(density, grid, FieldLayout("density")),
        }
        assert float(math.max(math.abs(field.divergence(fields["velocity"]).values))) < 1e-11
        found = made.predict_trajectory(fields, 2, 0.02)
        final = found["velocity"][-1]
        assert final.is_staggered and final.resolution.sizes == (7, 5)
        assert layout_of("velocity", final) == FieldLayout("velocity", ("x", "y"))
        native = from_field(final, grid, FieldLayout("velocity", ("x", "y")))
        smoke = to_native(found["density"][-1].values, grid, FieldLayout("density"))
    torch.testing.assert_close(native, expected["velocity"], rtol=0, atol=1e-12)
    assert (native - velocity).abs().max() > 0.1
    torch.testing.assert_close(smoke, expected["density"], rtol=0, atol=1e-12)


def test_a_staggered_flow_through_a_wall_is_refused():
    with math.precision(64):
        blown = StaggeredGrid(math.vec(x=1.0, y=0.0), extrapolation.ZERO_GRADIENT, x=4, y=3)
        with pytest.raises(ConfigError, match="flows through the lower wall of x"):
            model().predict_trajectory({"velocity": blown}, 1, 0.1)


def test_random_velocities_are_divergence_free_on_the_faces():
    grid = cells((9, 7), (SLIP, PERIODIC))
    settings = GaussianRandomField(amplitude=0.7, length_scale=0.2)
    free = projections(NavierStokesPDE.spec, ["velocity"], grid, staggered=True)
    layouts = [FieldLayout("velocity", ("x", "y"))]
    drawn = gaussian_random_state(grid, layouts, settings, (0, 1), solenoidal=free)["velocity"]
    assert divergence(torch.from_numpy(drawn), grid) < 1e-12
    assert float(np.sqrt(drawn.var(axis=(1, 2)).mean())) == pytest.approx(0.7)
