"""Symmetries of the equations: transforming a solution solves the transformed initial state.

Layout: ``B`` windows, ``T`` steps, ``C`` channels, ``X Y Z`` space.
"""

from typing import Any

import pytest
import torch

from hybrid_pde.config import parse_experiment
from hybrid_pde.config.checks.symmetries import ValidSymmetries, box_of, find_symmetries
from hybrid_pde.config.discovery import built_in_equations
from hybrid_pde.data.initial_states.random_fields import GaussianRandomField, gaussian_random_state
from hybrid_pde.data.symmetries.transformations import Moves, WindowSymmetries
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.factories import ModelFactory
from hybrid_pde.models.physical.ensemble import projections
from tests.physics.periodic_box import periodic_grid, physical_config

EQUATIONS = built_in_equations()
PARAMETERS: dict[str, dict[str, Any]] = {
    "BurgersPDE": {"viscosity": 0.02, "advection": 1.5},
    "AdvectionDiffusionPDE": {"diffusivity": 0.02, "velocity": 0.0},
    "DiffusionPDE": {"diffusivity": 0.1},
    "AllenCahnPDE": {"diffusivity": 0.02, "reaction_rate": 2.0},
    "FisherKPPPDE": {"diffusivity": 0.02, "growth_rate": 2.0},
    "FitzHughNagumoPDE": {"diffusivity_u": 0.01, "diffusivity_v": 0.02, "threshold": 0.1},
    "GrayScottPDE": {"diffusivity_a": 0.02, "diffusivity_b": 0.01, "feed": 0.04, "kill": 0.06},
    "KortewegDeVriesPDE": {"advection": 1.5, "dispersion": 2e-4},
    "KuramotoSivashinskyPDE": {"second_order": 0.02, "fourth_order": 1e-3},
    "NavierStokesPDE": {"viscosity": 0.02},
    "BrusselatorPDE": {"diffusivity_u": 0.01, "diffusivity_v": 0.02, "a": 1.0, "b": 1.5},
    "ShallowWaterPDE": {"gravity": 2.0, "viscosity": 0.02},
    "VorticityPDE": {"viscosity": 0.002},
    "WavePDE": {"speed": 0.8, "damping": 0.3},
}
STEPS, DT, WINDOWS = 3, 0.02, 4
# rounding error of some tens of steps, for values of the order of one
ROUNDING = 1e-11
OBLONG, SQUARE = periodic_grid((12, 10), (1.2, 0.8)), periodic_grid((12, 12), (1.3, 1.3))
BOX, CUBE = periodic_grid((8, 6, 7), (1.0, 0.9, 1.3)), periodic_grid((6, 6, 6), (1.3, 1.3, 1.3))
LINE = periodic_grid((32,), (1.7,))
# Galilean shifts are exact for all modes that the grid resolves, including their products.
FINE_OBLONG, FINE_SQUARE = periodic_grid((32, 28), (1.2, 0.8)), periodic_grid((28, 28), (1.3, 1.3))
FINE_LINE = periodic_grid((48,), (1.7,))


class Case:
    """An equation on a grid, with solutions from random initial states."""

    def __init__(
        self,
        name: str,
        grid: Grid,
        symmetries: list[str],
        numerics: dict[str, Any] | None = None,
        **parameters: Any,
    ) -> None:
        spec, self.grid = EQUATIONS[name], grid
        parameters = {**PARAMETERS[name], **parameters}
        roles = [role for role in spec.fields if not role.is_optional or "buoyancy" in parameters]
        self.layouts = [FieldLayout(r.name, grid.axes if r.is_vector else ()) for r in roles]
        config = physical_config(name, parameters, numerics=numerics or {"order": 4})
        specs = {each.name: each.channels for each in self.layouts}
        config["data"] = {"fields": [*specs]}
        config["augmentation"] = {"symmetries": symmetries}
        config["model"]["synthetic"] = {"name": "UNet", "input_specs": specs, "output_specs": specs}
        self.experiment = parse_experiment(config)
        self.model = ModelFactory.create_physical_model(self.experiment)
        self._targets: dict[float, torch.Tensor] = {}
        self.held, self.lines = find_symmetries(self.experiment, spec, box_of(grid, self.layouts))

    def starts(self) -> torch.Tensor:
        """Random states ``[B, C, *space]``; fluid velocities are divergence-free."""
        settings = GaussianRandomField(amplitude=0.4, length_scale=0.25, mean=0.3)
        free = projections(self.model.spec, [each.name for each in self.layouts], self.grid)
        states = [
            gaussian_random_state(self.grid, self.layouts, settings, (5, i), solenoidal=free)
            for i in range(WINDOWS)
        ]
        for state in states:
            if "height" in state:  # of a layer of water, which is positive
                state["height"] = 1.5 + state["height"]
        channels = [torch.cat([torch.from_numpy(v) for v in s.values()]) for s in states]
        return torch.stack(channels)

    def solved(self, starts: torch.Tensor, dt: float = DT) -> torch.Tensor:
        """The following states ``[B, T, C, *space]``."""
        sizes = [each.channels for each in self.layouts]
        parts = starts.split(sizes, dim=1)
        state = {each.name: part for each, part in zip(self.layouts, parts, strict=True)}
        with torch.no_grad():
            frames = self.model.rollout(state, self.grid, STEPS, dt)
            return torch.stack([torch.cat([*f.values()], dim=1) for f in frames], dim=1)

    def moved(self, held: ValidSymmetries, boost: float = 0.0, dt: float = DT) -> WindowSymmetries:
        return WindowSymmetries(self.grid, self.layouts, self.layouts, held, dt, boost)

    def error(
        self, held: ValidSymmetries, moves: Moves, boost: float = 0.0, dt: float = DT
    ) -> float:
        """Largest difference of the moved solution and the solution of the moved initial state."""
        starts = self.starts()
        if dt not in self._targets:
            self._targets[dt] = self.solved(starts, dt)
        targets = self._targets[dt]
        inputs, expected = self.moved(held, boost, dt).apply((starts, targets), moves)
        changes = (inputs - starts).abs().amax(dim=[*range(1, inputs.ndim)])
        assert changes.max() > 0.1 and (changes[moves.rotations > 0] > 0.1).all()
        return float((self.solved(inputs, dt) - expected).abs().max())


def drawn(case: Case, held: ValidSymmetries, boost: float = 0.0) -> Moves:
    generator = torch.Generator().manual_seed(3)
    return case.moved(held, boost).draw(WINDOWS, generator)


ISOTROPIC = [name for name, spec in EQUATIONS.items() if "rotation" in spec.symmetries.names]


def test_every_claim_is_tested() -> None:
    assert set(PARAMETERS) == set(EQUATIONS)
    assert {name for name, spec in EQUATIONS.items() if spec.symmetries.names} == set(EQUATIONS)


@pytest.mark.parametrize("name", EQUATIONS)
def test_translation_commutes_with_the_solution(name: str) -> None:
    grid = LINE if name in ("KortewegDeVriesPDE", "KuramotoSivashinskyPDE") else OBLONG
    case = Case(name, grid, ["translation"])
    assert case.held.translations == tuple(range(len(grid.axes)))
    assert case.error(case.held, drawn(case, case.held)) < ROUNDING


def every_turn(case: Case) -> list[Moves]:
    """Each reflection and rotation once, one per window; the first ones fill the last batch."""
    rotations = torch.arange(1, len(case.moved(case.held).rotations))
    zeros = torch.zeros((WINDOWS, len(case.grid.axes)))
    return [
        Moves(
            rotations[(first + torch.arange(WINDOWS)) % len(rotations)],
            zeros.long(),
            zeros.double(),
        )
        for first in range(0, len(rotations), WINDOWS)
    ]


@pytest.mark.parametrize("name", [*ISOTROPIC, "KuramotoSivashinskyPDE"])
def test_reflection_commutes_with_the_solution(name: str) -> None:
    case = Case(name, LINE if name.startswith("Kuramoto") else OBLONG, ["reflection"])
    assert len(case.moved(case.held).rotations) == 2 ** len(case.grid.axes)
    assert max(case.error(case.held, moves) for moves in every_turn(case)) < ROUNDING


@pytest.mark.parametrize("name", ISOTROPIC)
def test_rotation_commutes_with_the_solution(name: str) -> None:
    case = Case(name, SQUARE, ["rotation"])
    assert len(case.moved(case.held).rotations) == 4
    assert max(case.error(case.held, moves) for moves in every_turn(case)) < ROUNDING


@pytest.mark.parametrize(
    ("grid", "kinds", "members"),
    [(SQUARE, ["reflection", "rotation"], 8), (CUBE, ["rotation"], 24), (BOX, ["reflection"], 8)],
)
def test_groups_are_complete_and_each_member_commutes(
    grid: Grid, kinds: list[str], members: int
) -> None:
    case = Case("BurgersPDE", grid, kinds)
    turns = case.moved(case.held).rotations
    assert len(turns) == members
    assert all(a.after(b) in turns for a in turns for b in turns)
    if kinds == ["rotation"]:
        assert {turn.parity for turn in turns} == {1}
    assert max(case.error(case.held, moves) for moves in every_turn(case)) < ROUNDING


@pytest.mark.parametrize(
    ("name", "grid", "dt"),
    [
        ("BurgersPDE", FINE_OBLONG, 5e-3),
        ("NavierStokesPDE", FINE_OBLONG, 5e-3),
        ("KortewegDeVriesPDE", FINE_LINE, 5e-3),
        ("KuramotoSivashinskyPDE", FINE_LINE, 5e-3),
    ],
)
def test_galilean_shift_commutes_with_the_solution(name: str, grid: Grid, dt: float) -> None:
    """Up to the error of the time steps, which depends on the observer and is of fourth order."""
    errors = []
    for substeps in (4, 8):
        numerics = {"scheme": "spectral", "order": 4, "substeps": substeps}
        case = Case(name, grid, ["galilean"], numerics)
        assert case.held.boosts == tuple(range(len(grid.axes)))
        errors.append(case.error(case.held, drawn(case, case.held, 0.7), 0.7, dt))
    assert errors[-1] < 1e-8
    assert errors[0] / errors[1] > 12


def test_all_symmetries_together_commute_with_the_solution() -> None:
    kinds = ["translation", "reflection", "rotation", "galilean"]
    numerics = {"scheme": "spectral", "order": 4, "substeps": 16}
    case = Case(
        "NavierStokesPDE", FINE_SQUARE, kinds, numerics, buoyancy=[0.0, 0.0], diffusivity=0.01
    )
    assert [each.name for each in case.layouts] == ["velocity", "density"]
    assert case.error(case.held, drawn(case, case.held, 0.5), 0.5, 5e-3) < 1e-8


@pytest.mark.parametrize(
    ("name", "parameters", "held"),
    [
        (
            "NavierStokesPDE",
            {"forcing": [0.8, 2 * torch.pi / 1.3]},
            ValidSymmetries(translations=(0,), boosts=(0,)),
        ),
        (
            "NavierStokesPDE",
            {"buoyancy": [0.0, 0.9], "diffusivity": 0.01},
            ValidSymmetries(translations=(0, 1), reflections=(0,), boosts=(0, 1)),
        ),
        (
            "VorticityPDE",
            {"forcing": [0.8, 2 * torch.pi / 1.3]},
            ValidSymmetries(translations=(0,)),
        ),
        ("AdvectionDiffusionPDE", {"velocity": [0.7, 0.0]}, ValidSymmetries((0, 1), (1,))),
    ],
)
def test_a_direction_keeps_the_symmetries_across_it(
    name: str, parameters: dict[str, Any], held: ValidSymmetries
) -> None:
    kinds = sorted(EQUATIONS[name].symmetries.names)
    numerics = {"scheme": "spectral", "order": 4, "substeps": 8}
    case = Case(name, FINE_SQUARE, kinds, numerics, **parameters)
    found = case.held
    assert (found.translations, found.reflections, found.boosts, found.rotations) == (
        held.translations,
        held.reflections,
        held.boosts,
        (),
    )
    assert any(line.startswith("augmentation.symmetries: rotation: ") for line in case.lines)
    assert case.error(found, drawn(case, found, 0.3), 0.3, 5e-3) < 1e-8


@pytest.mark.parametrize(
    ("name", "grid", "held", "parameters"),
    [
        ("KortewegDeVriesPDE", LINE, ValidSymmetries(reflections=(0,)), {}),
        ("KortewegDeVriesPDE", LINE, ValidSymmetries(reflections=(0,), odd=frozenset({"u"})), {}),
        ("KuramotoSivashinskyPDE", LINE, ValidSymmetries(reflections=(0,)), {}),
        (
            "AdvectionDiffusionPDE",
            SQUARE,
            ValidSymmetries(reflections=(0,)),
            {"velocity": [0.7, 0.0]},
        ),
        ("NavierStokesPDE", SQUARE, ValidSymmetries(reflections=(0,)), {"forcing": [2.0, 4.833]}),
        ("VorticityPDE", SQUARE, ValidSymmetries(reflections=(0,)), {}),
        ("NavierStokesPDE", SQUARE, ValidSymmetries(reflections=(1,)), {"forcing": [2.0, 4.833]}),
        ("NavierStokesPDE", SQUARE, ValidSymmetries(translations=(1,)), {"forcing": [2.0, 4.833]}),
    ],
)
def test_rejected_symmetries_do_not_hold(
    name: str, grid: Grid, held: ValidSymmetries, parameters: dict[str, Any]
) -> None:
    """Otherwise useful symmetries would be rejected."""
    case = Case(name, grid, ["translation", "reflection"], **parameters)
    asked = held.translations or held.reflections
    allowed = case.held.translations if held.translations else case.held.reflections
    wrong_parity = name in ("KuramotoSivashinskyPDE", "VorticityPDE")
    assert wrong_parity or not set(asked) & set(allowed)
    assert case.error(held, drawn(case, held)) > 1e-4


def test_walls_keep_compatible_reflections() -> None:
    """Walls with zero gradient or value zero allow them; a channel also allows shifts along it."""
    walls = (("zero-gradient", "zero-gradient"), (0.0, 0.0))
    for boundary, translations in ((walls, ()), ((("periodic",) * 2, (0.0, 0.0)), (0,))):
        grid = Grid(("x", "y"), (12, 10), (0.0, -1.0), (1.2, 0.0), boundary, (False, False))
        case = Case(
            "BurgersPDE", grid, ["translation", "reflection"] if translations else ["reflection"]
        )
        assert not case.lines
        assert case.held.translations == translations
        assert case.held.reflections == (0, 1)
        for moves in every_turn(case):
            assert case.error(case.held, moves) < ROUNDING
