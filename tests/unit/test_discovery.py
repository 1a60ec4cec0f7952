"""Discovery of equations and architectures added as a file or a folder."""

import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from hybrid_pde.config import parse_experiment
from hybrid_pde.config.checks.equation import equation_errors
from hybrid_pde.config.checks.surrogate import surrogate_errors
from hybrid_pde.config.discovery import (
    ARCHITECTURES_PACKAGE,
    EQUATIONS_PACKAGE,
    architecture_module,
    equation_module,
)
from hybrid_pde.domain.grid import Grid
from hybrid_pde.errors import ConfigError
from hybrid_pde.models import ModelRegistry

ROOT = Path(__file__).resolve().parents[2]
GRID = Grid(("x",), (8,), (0.0,), (1.0,), (("periodic", "periodic"),), (False,))
EQUATION = """
from hybrid_pde.config.equations import EquationSpec, FieldRole, ParameterSpec
from hybrid_pde.models.physical.equation import Equation


class Decay(Equation):
    spec = EquationSpec(
        "DecayPDE", "u_t = -k u", (FieldRole("u"),), {"decay": ParameterSpec("1/time")}
    )

    def rate(self, state, parameters, operators):
        return {"u": -parameters["decay"] * state["u"]}
"""
OPTIONS = """
from typing import ClassVar

from hybrid_pde.models.synthetic.architecture_options import ConvolutionArchitecture


class LinearArchitecture(ConvolutionArchitecture):
    name: ClassVar[str] = "LinearNet"
"""
NETWORK = """
from hybrid_pde.models.synthetic.architectures.linear_net.options import LinearArchitecture
from hybrid_pde.models.synthetic.convolutional_model import ConvolutionalModel
from hybrid_pde.models.synthetic.layers import Stack


class LinearNet(ConvolutionalModel[LinearArchitecture]):
    options_class = LinearArchitecture

    def make_network(self):
        channels = self.network_in_channels, self.network_out_channels
        return Stack(*channels, self.options, [], self.spatial_dims)
"""
Add = Callable[[str, dict[str, str]], None]


@pytest.fixture
def add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Add]:
    """Add files to a package through a temporary folder on its path."""
    before = set(sys.modules)

    def write(package: str, files: dict[str, str]) -> None:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        loaded = importlib.import_module(package)
        monkeypatch.setattr(loaded, "__path__", [*loaded.__path__, str(tmp_path)])

    yield write
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def physical(name: str) -> dict[str, object]:
    section = {"name": name, "pde_params": {"decay": 0.5}}
    return {
        "run_params": {"model_type": "physical"},
        "data": {"fields": ["u"]},
        "model": {"physical": section},
    }


def synthetic(name: str) -> dict[str, object]:
    section = {"name": name, "input_specs": {"u": 1}, "output_specs": {"u": 1}}
    return {"data": {"fields": ["u"]}, "model": {"synthetic": section}}


def test_an_equation_is_added_by_writing_a_file(add: Add) -> None:
    add(EQUATIONS_PACKAGE, {"decay.py": EQUATION})
    assert "DecayPDE" in ModelRegistry.physical_names()
    assert equation_module("DecayPDE") == f"{EQUATIONS_PACKAGE}.decay"
    assert list(equation_errors(parse_experiment(physical("DecayPDE")))) == []
    model = ModelRegistry(physical("DecayPDE")).get_physical_model()
    (last,) = model.rollout(torch.ones(1, 8), GRID, 1, 0.1)
    torch.testing.assert_close(last, torch.full_like(last, torch.e**-0.05), rtol=1e-7, atol=0)

    expected = r"model\.physical\.name: 'DecayPD' is unknown; did you mean 'DecayPDE'\? Allowed: .*"
    with pytest.raises(ConfigError, match=expected + "BurgersPDE.*, DecayPDE"):
        ModelRegistry(physical("DecayPD")).get_physical_model()
    (line,) = equation_errors(parse_experiment(physical("DecayPD")))
    assert "DecayPDE" in line.split("Allowed: ")[1]


def test_an_architecture_is_added_by_writing_a_folder(add: Add) -> None:
    files = {"__init__.py": "", "options.py": OPTIONS, "network.py": NETWORK}
    add(ARCHITECTURES_PACKAGE, {f"linear_net/{name}": text for name, text in files.items()})
    assert "LinearNet" in ModelRegistry.synthetic_names()
    assert architecture_module("LinearNet") == f"{ARCHITECTURES_PACKAGE}.linear_net.network"
    assert list(surrogate_errors(parse_experiment(synthetic("LinearNet")))) == []
    model = ModelRegistry(synthetic("LinearNet")).get_synthetic_model(GRID)
    state = torch.rand(2, 1, 8)
    assert torch.equal(
        model(state), state
    )  # every built-in network predicts persistence before training

    expected = r"model\.synthetic\.name: 'LinearNe' is unknown; did you mean 'LinearNet'\?"
    with pytest.raises(ConfigError, match=expected + r" Allowed: .*LinearNet"):
        ModelRegistry(synthetic("LinearNe")).get_synthetic_model(GRID)
    (line,) = surrogate_errors(parse_experiment(synthetic("LinearNe")))
    assert "LinearNet" in line.split("Allowed: ")[1]


def test_added_models_are_removed_after_a_test() -> None:
    assert "DecayPDE" not in ModelRegistry.physical_names()
    assert "LinearNet" not in ModelRegistry.synthetic_names()


def test_an_architecture_without_a_network_is_an_error(add: Add) -> None:
    files = {"__init__.py": "", "options.py": OPTIONS, "network.py": ""}
    add(ARCHITECTURES_PACKAGE, {f"linear_net/{name}": text for name, text in files.items()})
    with pytest.raises(
        ConfigError, match=r"LinearNet: .*\.network has no class with options_class"
    ):
        ModelRegistry(synthetic("LinearNet")).get_synthetic_model(GRID)


def test_discovery_loads_no_torch() -> None:
    program = "import sys; from hybrid_pde.config import discovery; "
    program += "found = discovery.architecture_options(), discovery.equation_classes(); "
    program += "print(*map(len, found), 'torch' in sys.modules)"
    shown = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT / "src",
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.split() == ["5", "14", "False"]
