"""Public interface of the package: names, types, version, packaged files."""

import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import hybrid_pde
from tests.conftest import ROOT

# names shown by tab completion, for each package
NAMES = {
    "hybrid_pde": {"load_experiment", "load_synthetic_model"},
    "hybrid_pde.factories": {"ModelFactory", "TrainerFactory"},
    "hybrid_pde.models": {"ModelRegistry", "load_synthetic_model"},
}
USER_CODE = """\
import hybrid_pde
from hybrid_pde import load_experiment, load_synthetic_model
from hybrid_pde.factories import ModelFactory, TrainerFactory

reveal_type(hybrid_pde.__version__)
reveal_type(load_experiment)
reveal_type(load_synthetic_model)
reveal_type(TrainerFactory.create_trainer)
reveal_type(ModelFactory.create_physical_model)
"""


@pytest.mark.parametrize("package", NAMES)
def test_names_are_listed_and_importable(package: str) -> None:
    module = importlib.import_module(package)
    assert set(dir(module)) >= NAMES[package]
    for name in NAMES[package]:
        assert getattr(module, name).__module__.startswith("hybrid_pde.")


def test_types_of_the_public_names_are_known(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(USER_CODE, encoding="utf-8")
    finished = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), str(program)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    revealed = re.findall(r'Revealed type is "(.*)"', finished.stdout)
    assert len(revealed) == USER_CODE.count("reveal_type")
    assert revealed[0].endswith("str")
    for signature in revealed[1:]:
        assert signature.startswith("def ("), signature
        result = signature.rpartition(" -> ")[2]
        assert result.startswith(("hybrid_pde.", "dict[", "builtins.dict[")), signature


def test_version_and_dependencies_have_one_source() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert {"version", "dependencies"} == set(project["project"]["dynamic"])
    dynamic = project["tool"]["setuptools"]["dynamic"]
    assert dynamic["version"] == {"attr": "hybrid_pde.__version__"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", hybrid_pde.__version__)
    assert dynamic["dependencies"] == {"file": ["requirements.in"]}
    wanted = (ROOT / "requirements.in").read_text(encoding="utf-8")
    locked = (ROOT / "requirements.lock").read_text(encoding="utf-8").lower().replace("_", "-")
    for name in re.findall(r"^[\w-]+", wanted, re.MULTILINE):
        assert f"\n{name.lower().replace('_', '-')}==" in f"\n{locked}", name


def test_all_data_files_are_packaged() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    package = ROOT / "src/hybrid_pde"
    (patterns,) = project["tool"]["setuptools"]["package-data"].values()
    packaged = {path for pattern in patterns for path in package.glob(pattern)}
    others = {
        path
        for path in package.rglob("*")
        if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts
    }
    assert packaged == others
