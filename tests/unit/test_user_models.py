"""User-defined models in a Python file, which runs only if the experiment names it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from hybrid_pde.config import Experiment, parse_experiment
from hybrid_pde.config.checks.symmetries import box_of
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.errors import CheckpointError, ConfigError, OwnModelError
from hybrid_pde.models import ModelRegistry, load_synthetic_model
from hybrid_pde.models.surrogate_file import save_synthetic_model
from hybrid_pde.models.user_models import check_own_models, try_own_equation
from hybrid_pde.workflow.stage_settings import stage_settings

EQUATION = """
from hybrid_pde.config.equations import EquationSpec, FieldRole, ParameterSpec
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.models.registry import ModelRegistry


@ModelRegistry.register_physical("DecayPDE")
class DecayPDE(PhysicalModel):
    spec = EquationSpec(
        "DecayPDE", "u_t = -k u", (FieldRole("u"),), {"decay": ParameterSpec("1/time")}
    )

    def rate(self, state, parameters, operators):
        return {"u": -parameters["decay"] * state["u"]}
"""
NETWORK = """
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.models.synthetic.architectures.unet.network import UNet


@ModelRegistry.register_synthetic("OwnNet")
class OwnNet(UNet):
    pass
"""
PLAIN = """
import torch
from torch import nn

from hybrid_pde.models.registry import ModelRegistry


@ModelRegistry.register_synthetic("OwnNet")
class PlainNet(nn.Module):
    def __init__(self, in_channels, out_channels, spatial_dims, boundary, width=3):
        super().__init__()
        assert spatial_dims == len(boundary) == 1
        self.first = nn.Conv1d(in_channels, width, 3, padding=1, padding_mode="circular")
        self.last = nn.Conv1d(width, out_channels, 1)

    def forward(self, values):
        return self.last(torch.tanh(self.first(values)))
"""
GRID = Grid(("x",), (8,), (0.0,), (1.0,), (("periodic", "periodic"),), (False,))


@pytest.fixture(autouse=True)
def registry_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the models registered by a test; keep the built-in ones."""
    built_in = (ModelRegistry.physical_names(), ModelRegistry.synthetic_names())
    assert all(built_in)
    for table in ("_physical", "_synthetic"):
        monkeypatch.setattr(ModelRegistry, table, dict(getattr(ModelRegistry, table)))


def experiment(folder: Path, equation: str = EQUATION, **learnable: Any) -> Experiment:
    (folder / "equation.py").write_text(equation)
    (folder / "network.py").write_text(NETWORK)
    parameter = {"name": "decay", "initial_guess": 1.0} | learnable
    return parse_experiment(
        {
            "project_root": str(folder),
            "data": {"dset_name": "decay", "fields": ["u"]},
            "model": {
                "physical": {"name": "DecayPDE", "module": "equation.py"},
                "synthetic": {
                    "name": "OwnNet",
                    "module": "network.py",
                    "input_specs": {"u": 1},
                    "output_specs": {"u": 1},
                    "architecture": {"hidden_channels": 2, "depth": 1},
                },
            },
            "trainer_params": {
                "physical": {"train_sim": [0], "learnable_parameters": [parameter]},
                "synthetic": {"train_sim": [0], "test_sim": [1]},
            },
        }
    )


def test_user_models_are_created(tmp_path: Path) -> None:
    own = experiment(tmp_path, initial_guess=0.3)
    check_own_models(own, "case.yaml")
    assert ModelRegistry(own).get_physical_model().get_parameter("decay").item() == 0.3


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "no Python": ("def (:", {}, "model.physical.module: .*equation.py: .*SyntaxError"),
    "fails": ("import no_such_module", {}, "ModuleNotFoundError: No module named 'no_such_module'"),
    "registers nothing": ("x = 1", {}, "model.physical.name: 'DecayPDE' is unknown"),
    "lacks the parameter": (
        EQUATION,
        {"name": "decai"},
        "'decai' is unknown; .*'decay'",
    ),
    "no vector": (EQUATION, {"initial_guess": [1.0]}, "initial_guess: .*: must be a single number"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_faulty_user_equation_is_reported_before_the_run(tmp_path: Path, case: str) -> None:
    equation, learnable, message = REFUSED[case]
    with pytest.raises(ConfigError, match=f"case.yaml: .*{message}"):
        check_own_models(experiment(tmp_path, equation, **learnable), "case.yaml")


RETURNED = 'return {"u": -parameters["decay"] * state["u"]}'
FAULTY = {
    "a name": ("u = state['w']", r"equation\.py:\d+: .*rate fails: KeyError: 'w'; correct the mod"),
    "another field": ("return {'v': state['u']}", r"rate returns \['v'\]; it has to return .* u; "),
    "no dictionary": ("return 2 * state['u']", r"rate returns \w*; it has to return a dictionary"),
}


@pytest.mark.parametrize("case", FAULTY)
def test_a_mistake_in_the_rate_is_found_by_one_short_step(tmp_path: Path, case: str) -> None:
    line, message = FAULTY[case]
    wrong = EQUATION.replace(RETURNED, f"{line}\n        {RETURNED}")
    with pytest.raises(OwnModelError, match=message):
        try_own_equation(experiment(tmp_path, wrong), GRID, [FieldLayout("u")])


def test_a_right_equation_passes_the_short_step(tmp_path: Path, caplog: Any) -> None:
    try_own_equation(experiment(tmp_path), GRID, [FieldLayout("u")])
    assert not caplog.text, "nor is it said to be slow"


def test_loading_a_saved_model_never_runs_the_module_that_it_names(tmp_path: Path) -> None:
    own = experiment(tmp_path)
    model = ModelRegistry(own).get_synthetic_model(GRID)
    path = tmp_path / "synthetic_model.pt"
    save_synthetic_model(path, model, own, GRID, [FieldLayout("u")], dt=0.1)
    loaded = load_synthetic_model(path)
    for name, weight in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], weight)

    del ModelRegistry._synthetic["OwnNet"]
    (tmp_path / "network.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(CheckpointError, match=r"'OwnNet' .* 'network.py'; import that file first"):
        load_synthetic_model(path)
    assert not (tmp_path / "ran").exists()


def test_stages_that_need_the_module_find_it_from_any_folder(tmp_path: Path) -> None:
    own = experiment(tmp_path)
    for stage, file in (
        ("train_physical", "equation.py"),
        ("augment", "equation.py"),
        ("train_synthetic", "network.py"),
        ("evaluate", "network.py"),
    ):
        assert f'"module":"{tmp_path / file}"' in stage_settings(own, stage)


def plain(folder: Path, **section: Any) -> Experiment:
    """An experiment with a plain ``nn.Module`` as surrogate."""
    own = experiment(folder).model_dump()
    (folder / "network.py").write_text(PLAIN)
    own["model"]["synthetic"] |= {"architecture": {"width": 5}} | section
    return parse_experiment(own)


def test_a_plain_module_is_the_network_of_a_surrogate(tmp_path: Path) -> None:
    own = plain(tmp_path, bundle=3, coordinates=2, input_specs={"u": 1, "decay": 1})
    check_own_models(own, "case.yaml")
    model = ModelRegistry(own).get_synthetic_model(GRID)
    assert (type(model).__name__, type(model.network).__name__) == ("PlainNet", "PlainNet")
    assert tuple(model.network.first.weight.shape) == (5, 2 + 4, 3)
    assert tuple(model.network.last.weight.shape) == (3, 5, 1)
    model.input_mean.fill_(2.0)
    model.increment_std.fill_(0.1)
    state = torch.randn(2, 2, 8)
    positions = model._position((8,), state).expand(2, -1, -1)
    raw = model.network(torch.cat([state - 2.0, positions], dim=1))
    rollout = model.rollout(state, 4)
    assert torch.allclose(rollout[:, :3, 0], state[:, :1] + 0.1 * raw)
    assert not torch.allclose(rollout[:, 3], rollout[:, 2])


def test_a_plain_module_is_saved_and_loaded(tmp_path: Path) -> None:
    own = plain(tmp_path)
    model = ModelRegistry(own).get_synthetic_model(GRID)
    again = ModelRegistry(own).get_synthetic_model(GRID)
    path = tmp_path / "synthetic_model.pt"
    save_synthetic_model(path, model, own, GRID, [FieldLayout("u")], dt=0.1)
    state = torch.randn(2, 1, 8)
    assert torch.equal(load_synthetic_model(path).rollout(state, 3), model.rollout(state, 3))
    assert torch.equal(
        again.rollout(state, 3), model.rollout(state, 3)
    )  # weights are determined by the seed
    assert not torch.allclose(model(state), state, atol=1e-3)
    del ModelRegistry._synthetic["OwnNet"]
    with pytest.raises(CheckpointError, match="import that file first"):
        load_synthetic_model(path)


def test_an_option_unknown_to_a_plain_module_is_reported_before_the_run(
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigError, match=r"case.yaml: .*architecture: .*unexpected .* 'depth'"):
        check_own_models(plain(tmp_path, architecture={"depth": 2}), "case.yaml")


def test_only_networks_can_be_registered() -> None:
    with pytest.raises(TypeError, match=r"int: a surrogate is a SyntheticModel or a torch.nn"):
        ModelRegistry.register_synthetic("Number")(int)
    assert "Number" not in ModelRegistry.synthetic_names()


def test_an_input_unknown_to_a_user_equation_is_rejected(tmp_path: Path) -> None:
    check_own_models(plain(tmp_path, input_specs={"u": 1, "decay": 1}), "case.yaml")
    with pytest.raises(ConfigError, match=r"input_specs\.decai: .* not a parameter of DecayPDE"):
        check_own_models(plain(tmp_path, input_specs={"u": 1, "decai": 1}), "case.yaml")


def test_fields_and_symmetries_are_checked_against_a_user_equation(tmp_path: Path) -> None:
    equation = EQUATION.replace(
        '{"decay": ParameterSpec("1/time")}',
        '{"decay": ParameterSpec("1/time")}, symmetries=SymmetrySpec(frozenset({"translation"}))',
    ).replace("ParameterSpec\n", "ParameterSpec, SymmetrySpec\n")
    own = experiment(tmp_path, equation).model_dump(mode="json")
    own["augmentation"]["symmetries"] = ["translation"]
    layouts = [FieldLayout("u"), FieldLayout("v")]
    walls = replace(GRID, boundary=((0.0, 0.0),))
    check_own_models(parse_experiment(own), "case.yaml", box_of(GRID, layouts))
    with pytest.raises(ConfigError, match=r"symmetries: translation: "):
        check_own_models(parse_experiment(own), "case.yaml", box_of(walls, layouts))
    own["data"] |= {"fields": ["u", "v"], "observations": {"every": 2}}
    own["model"]["synthetic"] |= {"input_specs": {"u": 1, "v": 1}, "output_specs": {"u": 1, "v": 1}}
    with pytest.raises(ConfigError, match=r"output_specs\.v: data.observations hides part"):
        check_own_models(parse_experiment(own), "case.yaml")
