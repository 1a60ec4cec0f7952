"""The alias ``src``: its modules are those of ``hybrid_pde``."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import hybrid_pde
import src
from hybrid_pde.models.registry import ModelRegistry
from tests.conftest import ROOT

OWN_MODEL = """\
from src.models.registry import ModelRegistry
from src.models.synthetic import SyntheticModel


@ModelRegistry.register_synthetic("OfTheAlias")
class OfTheAlias(SyntheticModel):
    pass
"""


@pytest.mark.parametrize(
    "name",
    [
        "config.equations",
        "factories",
        "factories.trainer_factory",
        "models",
        "models.physical",
        "models.registry",
        "training.physical",
    ],
)
@pytest.mark.parametrize("prefix", ["src", "src.hybrid_pde"])
def test_alias_module_is_the_library_module(prefix: str, name: str) -> None:
    module = importlib.import_module(f"{prefix}.{name}")
    assert module is importlib.import_module(f"hybrid_pde.{name}")
    assert module.__name__ == f"hybrid_pde.{name}"
    assert module.__spec__ is not None
    assert module.__spec__.name == f"hybrid_pde.{name}"
    assert module.__spec__.loader is module.__loader__


def test_alias_has_the_classes_and_functions_of_the_library() -> None:
    from hybrid_pde import factories, training
    from src.factories import TrainerFactory
    from src.models import ModelRegistry as OfModels
    from src.training.physical import PhysicalTrainer

    assert TrainerFactory is factories.TrainerFactory
    assert OfModels is ModelRegistry
    assert PhysicalTrainer is training.physical.PhysicalTrainer
    assert src.load_experiment is hybrid_pde.load_experiment
    assert set(dir(src)) >= {"load_experiment", "load_synthetic_model"}
    assert importlib.import_module("src.hybrid_pde") is hybrid_pde


def test_no_module_is_loaded_twice() -> None:
    importlib.import_module("src.config.checks.equation")
    importlib.import_module("src.hybrid_pde.config.checks.equation")
    loaded = [
        module
        for module in list(sys.modules.values())
        if getattr(module, "__file__", None)
        == importlib.import_module("hybrid_pde.config.checks.equation").__file__
    ]
    assert len({id(module) for module in loaded}) == 1


@pytest.mark.parametrize("name", ["src.nothing", "src.models.nothing", "src.hybrid_pde.nothing"])
def test_a_missing_module_is_named(name: str) -> None:
    with pytest.raises(ModuleNotFoundError, match=name.replace(".", r"\.")) as error:
        importlib.import_module(name)
    assert error.value.name == name


def test_a_missing_name_is_named() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        src.nothing  # noqa: B018


def in_a_fresh_process(program: str) -> str:
    """Standard output of a program run in the repository, without ``src/`` on its path."""
    finished = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_alias_finds_the_library_where_it_is_not_installed() -> None:
    program = (
        "import sys; sys.path = [path for path in sys.path if not path.endswith('/src')];"
        "sys.meta_path = [each for each in sys.meta_path if 'editable' not in repr(each)];"
        "import importlib.util; assert importlib.util.find_spec('hybrid_pde') is None;"
        "import src.config.equations as e; import hybrid_pde; print(hybrid_pde.__file__)"
    )
    assert in_a_fresh_process(program).strip() == str(ROOT / "src/hybrid_pde/__init__.py")


def test_alias_may_be_imported_before_or_after_the_library() -> None:
    for first, second in (("src.config", "hybrid_pde.config"), ("hybrid_pde.config", "src.config")):
        program = (
            f"import sys; sys.path.insert(0, 'src'); import {first}.equations, {second}.equations;"
            f"print({first}.equations is {second}.equations)"
        )
        assert in_a_fresh_process(program) == "True\n"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[ModelRegistry]]:
    """The model registry, restored after the test."""
    for table in ("_physical", "_synthetic"):
        monkeypatch.setattr(ModelRegistry, table, dict(getattr(ModelRegistry, table)))
    yield ModelRegistry


def test_a_user_model_registered_through_the_alias_is_found(
    registry: type[ModelRegistry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "alias_model.py").write_text(OWN_MODEL)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("alias_model")
    assert registry._synthetic["OfTheAlias"] is module.OfTheAlias
