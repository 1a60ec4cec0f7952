"""Configuration errors in ``augmentation``, reported before anything is computed."""

from pathlib import Path
from typing import Any

import pytest

from hybrid_pde.config import Experiment, parse_experiment
from hybrid_pde.config.checks.consistency import check_experiment
from hybrid_pde.config.checks.data import check_against_data
from hybrid_pde.config.checks.symmetries import box_of, box_of_generation
from hybrid_pde.config.discovery import built_in_equations
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.domain.known_values import KnownParameter
from hybrid_pde.errors import ConfigError
from hybrid_pde.models.user_models import check_own_models
from tests.physics.periodic_box import periodic_grid
from tests.workflow.tiny import tiny_experiment

OBLONG, SQUARE = periodic_grid((12, 10), (1.2, 0.8)), periodic_grid((12, 12), (1.2, 1.2))
VELOCITY = (FieldLayout("velocity", ("x", "y")),)


def tiny(augmentation: dict[str, Any], **sections: Any) -> Experiment:
    """The tiny hybrid experiment, simulated on 16 by 12 points."""
    mapping = tiny_experiment(**sections)
    mapping["augmentation"] |= augmentation
    return parse_experiment(mapping)


def real(symmetries: list[str], name: str = "BurgersPDE", **sections: Any) -> Experiment:
    """An experiment on existing data."""
    spec = built_in_equations()[name]
    field = spec.fields[0].name
    channels = 2 if spec.fields[0].is_vector else 1
    specs = {field: channels}
    content: dict[str, Any] = {
        "run_params": {"model_type": "synthetic"},
        "data": {"dset_name": "made", "fields": [field]},
        "model": {
            "physical": {"name": name, "pde_params": sections.pop("pde_params", {})},
            "synthetic": {"name": "UNet", "input_specs": specs, "output_specs": specs},
        },
        "trainer_params": {"train_sim": [0], "num_predict_steps": 2},
        "augmentation": {"symmetries": symmetries},
    }
    for key, section in sections.items():
        content[key] = {**content.get(key, {}), **section}
    return parse_experiment(content)


def against(
    experiment: Experiment,
    grid: Grid,
    layouts: tuple[FieldLayout, ...] = VELOCITY,
    known: tuple[KnownParameter, ...] = (),
) -> None:
    check_against_data(experiment, "a.yaml", layouts, [9] * 4, grid, known)


def walled(*sides: Any) -> Grid:
    ends = ((sides[0],) * 2, (sides[1],) * 2)
    return Grid(("x", "y"), (12, 12), (0.0, 0.0), (1.2, 1.2), ends, (False, False))


def test_symmetries_that_hold_are_accepted() -> None:
    check_experiment(tiny({"symmetries": ["translation", "reflection", "galilean"]}), "a.yaml")
    against(real(["translation", "reflection", "rotation", "galilean"]), SQUARE)
    against(real(["translation", "reflection", "galilean"]), OBLONG)
    against(real(["reflection", "rotation"]), walled(0.0, 0.0))
    against(real(["reflection"]), walled("zero-gradient", 0.0))
    with pytest.raises(ConfigError, match="rotation"):
        against(real(["rotation"]), OBLONG)


@pytest.mark.parametrize(
    ("symmetry", "grid", "message"),
    [
        ("rotation", OBLONG, r"rotation: x and y have 12 and 10 points; leave it out"),
        (
            "rotation",
            periodic_grid((12, 12), (1.2, 1.0)),
            r"rotation: x and y have the spacings 0\.1 and 0\.0833333; leave it out",
        ),
        ("rotation", walled("periodic", 0.0), r"rotation: x and y have different boundaries"),
        ("translation", walled(0.0, "zero-gradient"), r"x has walls; y has walls; leave it out"),
        ("galilean", walled("periodic", 0.0), r"galilean: y has walls; leave it out"),
        ("reflection", walled(0.5, 0.5), r"the boundary value 0\.5 of x changes sign"),
        ("rotation", walled(0.5, 0.5), r"the boundary value 0\.5 of x changes sign"),
    ],
)
def test_symmetry_that_the_grid_breaks_is_rejected(symmetry: str, grid: Grid, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"a\.yaml: augmentation\.symmetries: .*{message}"):
        against(real([symmetry]), grid)


@pytest.mark.parametrize(
    ("name", "symmetry", "has"),
    [
        ("KortewegDeVriesPDE", "reflection", "galilean, translation"),
        ("KuramotoSivashinskyPDE", "rotation", "galilean, reflection, translation"),
        ("AllenCahnPDE", "galilean", "reflection, rotation, translation"),
    ],
)
def test_symmetry_that_the_equation_lacks_is_rejected(name: str, symmetry: str, has: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"{symmetry}: {name} does not have this symmetry; allowed: {has}$"
    ):
        check_experiment(real([symmetry], name), "a.yaml")


def test_equation_may_have_fewer_symmetries_on_several_axes() -> None:
    line, u = periodic_grid((16,), (2.0,)), (FieldLayout("u"),)
    against(real(["reflection"], "KuramotoSivashinskyPDE"), line, u)
    with pytest.raises(ConfigError, match=r"KuramotoSivashinskyPDE has it in 1D only"):
        against(real(["reflection"], "KuramotoSivashinskyPDE"), SQUARE, u)


@pytest.mark.parametrize(
    ("sections", "symmetry", "message"),
    [
        (
            {"model": {"pde_params": {"forcing": [1.0, 2.0]}}},
            "reflection",
            r"forcing points along x; forcing varies along y",
        ),
        ({"model": {"pde_params": {"buoyancy": [0.0, 1.0]}}}, "rotation", "buoyancy points along"),
        (
            {"data": {"known_parameters": {"buoyancy": "g"}}},
            "reflection",
            r"buoyancy points along x; buoyancy points along y",
        ),
    ],
)
def test_coefficients_with_a_direction_break_symmetries(
    sections: dict[str, Any], symmetry: str, message: str
) -> None:
    parameters = sections.pop("model", {}).get("pde_params", {})
    experiment = real([symmetry], "NavierStokesPDE", pde_params=parameters, **sections)
    with pytest.raises(ConfigError, match=message):
        against(experiment, SQUARE)


def test_coefficient_field_breaks_all_symmetries() -> None:
    learned = {"name": "diffusivity", "initial_guess": 0.1, "parametrization": {"type": "grid"}}
    training = {"physical": {"learnable_parameters": [learned]}}
    experiment = real(["translation"], "DiffusionPDE", trainer_params=training)
    with pytest.raises(ConfigError, match=r"translation: diffusivity varies along x; .* along y"):
        against(experiment, SQUARE, (FieldLayout("u"),))
    known = KnownParameter("potential", is_field=True)
    with pytest.raises(ConfigError, match=r"translation: potential varies along x"):
        against(real(["translation"]), SQUARE, known=(known,))


def test_advection_speed_must_be_fixed_for_a_galilean_shift() -> None:
    learned = {"physical": {"learnable_parameters": [{"name": "advection", "initial_guess": 1.0}]}}
    experiment = real(["galilean"], trainer_params=learned)
    with pytest.raises(ConfigError, match=r"galilean: advection must be a fixed number"):
        against(experiment, SQUARE)


def test_fields_without_a_role() -> None:
    """A vorticity may change sign in a reflection, which is unknown here; a pressure does not."""
    for name, is_allowed in (("pressure", True), ("vorticity", False)):
        specs = {"velocity": 2, name: 1}
        synthetic = {"name": "UNet", "input_specs": specs, "output_specs": specs}
        experiment = real(
            ["reflection"],
            data={"fields": [*specs]},
            model={"physical": {"name": "BurgersPDE"}, "synthetic": synthetic},
        )
        layouts = (*VELOCITY, FieldLayout(name))
        if is_allowed:
            against(experiment, SQUARE, layouts)
            continue
        with pytest.raises(ConfigError, match=r"reflection: vorticity is not a field of Burgers"):
            against(experiment, SQUARE, layouts)


def test_per_simulation_boundary_values_break_reflections() -> None:
    known = (KnownParameter("boundary.x.lower"),)
    with pytest.raises(
        ConfigError, match=r"simulations have different values of boundary\.x\.lower"
    ):
        against(real(["reflection"]), walled(0.0, 0.0), known=known)


def test_hidden_values_exclude_galilean_shifts() -> None:
    with pytest.raises(ConfigError, match=r"galilean: data\.observations hides values"):
        against(real(["galilean"], data={"observations": {"every": 2}}), SQUARE)
    against(real(["galilean"], data={"observations": {"noise": 0.1}}), SQUARE)


def test_simulated_data_are_checked_like_existing_data() -> None:
    with pytest.raises(ConfigError, match=r"rotation: x and y have 16 and 12 points"):
        check_experiment(tiny({"symmetries": ["rotation"]}), "a.yaml")
    experiment = tiny({"symmetries": ["rotation"]})
    box = box_of_generation(experiment, built_in_equations()["BurgersPDE"])
    there = box_of(periodic_grid((16, 12), (1.0, 0.75)), VELOCITY)
    assert box.axes == there.axes and box.vectors == there.vectors == {"velocity"}


def test_fixed_parameters_must_equal_those_of_the_data() -> None:
    mapping = tiny_experiment(run_params={"model_type": "synthetic"})
    mapping["augmentation"]["symmetries"] = ["translation"]
    mapping["generation_params"]["parameters"] = {"viscosity": 0.01, "advection": 2.0}
    mapping["generation_params"]["equation"] = "BurgersPDE"
    with pytest.raises(ConfigError, match=r"simulates with advection = 2\.0, .*has 1\.0; set it"):
        check_experiment(parse_experiment(mapping), "a.yaml")
    del mapping["model"]["physical"]
    with pytest.raises(
        ConfigError, match=r"they depend on the equation, but model\.physical is missing"
    ):
        check_experiment(parse_experiment(mapping), "a.yaml")


def test_user_equation_states_its_symmetries(tmp_path: Path) -> None:
    text = (
        "from hybrid_pde.config.equations import EquationSpec, FieldRole, SymmetrySpec\n"
        "from hybrid_pde.models import ModelRegistry\n"
        "from hybrid_pde.models.physical import PhysicalModel\n"
        '@ModelRegistry.register_physical("Decay")\n'
        "class Decay(PhysicalModel):\n"
        '    spec = EquationSpec("Decay", "u_t = -u", (FieldRole("u"),){claim})\n'
        "    def rate(self, state, parameters, operators):\n"
        '        return {{"u": -state["u"]}}\n'
    )
    for file, claim in (("silent.py", ""), ("own.py", ", symmetries=SymmetrySpec({'rotation'})")):
        (tmp_path / file).write_text(text.format(claim=claim), encoding="utf-8")
        mapping = tiny_experiment(project_root=str(tmp_path))
        mapping["augmentation"]["symmetries"] = ["rotation"]
        mapping["data"]["fields"] = ["u"]
        mapping["model"]["physical"] = {"name": "Decay", "module": file}
        mapping["model"]["synthetic"] |= {"input_specs": {"u": 1}, "output_specs": {"u": 1}}
        mapping["trainer_params"]["physical"]["learnable_parameters"] = []
        experiment = parse_experiment(mapping)
        if claim:
            check_own_models(experiment, "a.yaml")
            continue
        with pytest.raises(
            ConfigError, match=r"rotation: Decay does not have this symmetry; allowed: none"
        ):
            check_own_models(experiment, "a.yaml")


@pytest.mark.parametrize(
    ("augmentation", "message"),
    [
        (
            {"initial_condition": {"type": "file", "path": "starts.nc"}},
            r"initial_condition\.path: 'starts\.nc': file not found: .*relative to project_root",
        ),
        ({"parameters": {"nu": [0.1, 0.2]}}, r"parameters\.nu: not a parameter of BurgersPDE"),
        ({"parameters": {"viscosity": [0.2, 0.1]}}, r"viscosity: \[0\.2, 0\.1\]: the lower end"),
        ({"parameters": {"viscosity": [-1.0, 0.1]}}, r"viscosity: .* must not be negative"),
        (
            # 3 simulations of 9 frames of 2 channels on 16 by 12 points, 4 bytes per value
            {"max_disk_mb": 0.04},
            r"max_disk_mb: 0\.04: 3 simulations of 9 frames take 0\.04147 MB; raise it, or lower",
        ),
    ],
)
def test_invalid_augmentation_is_rejected(augmentation: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_experiment(tiny(augmentation), "a.yaml")
    check_experiment(tiny({**augmentation, "enabled": False}), "a.yaml")


def test_simulations_within_the_disk_limit_are_accepted() -> None:
    check_experiment(tiny({"max_disk_mb": 0.042}), "a.yaml")
    with pytest.raises(ConfigError, match="max_disk_mb"):
        check_experiment(tiny({"max_disk_mb": 0.02}), "a.yaml")
    mapping = tiny_experiment(generation_params=None)
    mapping["augmentation"] |= {"max_disk_mb": 0.01}
    with pytest.raises(ConfigError, match=r"3 simulations of 9 frames take 0\.0311 MB"):
        against(parse_experiment(mapping), SQUARE)


def test_distribution_needs_a_learned_number() -> None:
    mapping = tiny_experiment()
    mapping["augmentation"]["parameters"] = "distribution"
    check_experiment(parse_experiment(mapping), "a.yaml")
    learned = mapping["trainer_params"]["physical"]["learnable_parameters"][0]
    learned |= {"name": "potential", "initial_guess": 0.0, "parametrization": {"type": "grid"}}
    learned.pop("bounds", None)
    mapping["model"]["physical"]["pde_params"] = {"viscosity": 0.1}
    with pytest.raises(ConfigError, match=r"parameters: distribution: .* has no number to sample"):
        check_experiment(parse_experiment(mapping), "a.yaml")


def test_perturbed_states_would_reveal_hidden_values() -> None:
    perturbed = {"initial_condition": {"type": "perturbed"}}
    data = tiny_experiment()["data"]
    hidden = {**data, "observations": {"region": {"x": [0.0, 0.5]}}}
    with pytest.raises(ConfigError, match=r"initial_condition.type: perturbed: .* hides"):
        check_experiment(tiny(perturbed, data=hidden), "a.yaml")
    noisy = {**data, "observations": {"noise": 0.1}}
    check_experiment(tiny(perturbed, data=noisy), "a.yaml")


def test_positions_as_inputs_contradict_translations() -> None:
    experiment = real(["translation", "reflection"])
    model = experiment.model.synthetic
    assert model is not None
    told = model.model_copy(update={"coordinates": 1})
    models = experiment.model.model_copy(update={"synthetic": told})
    with pytest.raises(ConfigError, match=r"model.synthetic.coordinates: 1: .*\['translation'\]"):
        check_experiment(experiment.model_copy(update={"model": models}), "a.yaml")
