"""Which edits of the code re-run which stages."""

import ast
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from src.errors import ConfigError
from src.models.registry import ModelRegistry
from workflow.plan import Plan

from tests.workflow.tiny import ROOT, tiny_experiment
from workflow import code_digest as module

STAGES = ("simulate", "cache", "train_physical", "augment", "train_synthetic", "evaluate", "report")
TREE = {
    "workflow/scripts/one.py": "from src.direct import start\n\nstart()\n",
    "workflow/scripts/two.py": "import src.alone\n",
    "workflow/scripts/three.py": "from src import direct\nfrom src.package import name\n",
    "src/__init__.py": "",
    "src/direct.py": '''\
"""What it is for."""


def start():
    """Say so."""
    from src.deep import value  # an import inside a function counts too

    return value
''',
    "src/deep.py": "import math\n\nvalue = 2 * math.pi\n",
    "src/alone.py": "value = 3\n",
    "src/package/__init__.py": "from src.package.inner import name\n",
    "src/package/inner.py": "from src import deep\n\nname = deep.value\n",
    "src/unused.py": "value = 4\n",
}


def by_content(function: Callable[[Path], Any]) -> Callable[[Path], Any]:
    known: dict[tuple[Path, str], Any] = {}

    def look(path: Path) -> Any:
        key = path, path.read_text(encoding="utf-8")
        if key not in known:
            known[key] = function(path)
        return known[key]

    return look


@pytest.fixture(autouse=True, scope="module")
def what_a_new_process_would_see() -> Iterator[None]:
    """Files are parsed once a process; here once for each content."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in ("_imported", "_stripped"):
            monkeypatch.setattr(module, name, by_content(getattr(module, name).__wrapped__))
        monkeypatch.setattr(module, "_digest", module._digest.__wrapped__)
        yield


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small project of three programs."""
    for name, text in TREE.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return tmp_path


def digests() -> dict[str, str]:
    names = ("one", "two", "three")
    return {name: module.code_digest([f"workflow.scripts.{name}"]) for name in names}


def changed(root: Path, name: str, old: str, new: str) -> set[str]:
    """Programs whose digest an edit changes."""
    before = digests()
    path = root / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    after = digests()
    return {name for name, digest in before.items() if after[name] != digest}


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("src/direct.py", "What it is for.", "What else it is for."),
        ("src/direct.py", '    """Say so."""\n', ""),
        ("src/direct.py", "counts too", "is seen"),
        ("src/deep.py", "2 * math.pi", "(2\n    * math.pi)"),
        ("src/unused.py", "4", "5"),
    ],
    ids=["docstring", "docstring removed", "comment", "layout", "module that none imports"],
)
def test_an_edit_that_changes_no_result_changes_no_digest(
    tree: Path, name: str, old: str, new: str
) -> None:
    assert changed(tree, name, old, new) == set()


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("workflow/scripts/two.py", "alone", "unused", {"two"}),
        ("src/alone.py", "3", "4", {"two"}),
        ("src/direct.py", "return value", "return -value", {"one", "three"}),
        ("src/deep.py", "2 *", "3 *", {"one", "three"}),
        ("src/package/__init__.py", "import name", "import name as name, deep", {"three"}),
        ("src/package/inner.py", "deep.value", "-deep.value", {"three"}),
    ],
)
def test_an_edit_changes_the_digests_of_those_that_import_it(
    tree: Path, name: str, old: str, new: str, expected: set[str]
) -> None:
    assert changed(tree, name, old, new) == expected


def test_a_module_moved_to_another_name_counts(tree: Path) -> None:
    before = digests()
    (tree / "src/deep.py").rename(tree / "src/deeper.py")
    assert {name for name, digest in digests().items() if before[name] != digest} == {
        "one",
        "three",
    }


def test_a_digest_depends_on_no_path(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digests()
    shutil.copytree(tree, tree / "elsewhere")
    monkeypatch.setattr(module, "ROOT", tree / "elsewhere")
    assert digests() == before


def test_a_file_of_the_users_own_counts_with_what_it_imports(tree: Path) -> None:
    own = tree / "my_pde.py"

    def digest() -> str:
        return module.code_digest(["workflow.scripts.two"], [own])

    own.write_text('"""Mine."""\nfrom src.deep import value\n')
    first = digest()
    own.write_text('"""My own."""\nfrom src.deep import value  # the number\n')
    assert digest() == first
    (tree / "src/deep.py").write_text("value = 0\n")
    second = digest()
    assert second != first
    own.write_text("from src.deep import value\n\nvalue += 1\n")
    assert digest() not in {first, second}


def test_a_template_counts_as_it_is(tree: Path) -> None:
    template = tree / "page.html.j2"
    template.write_text("<p>one</p>")
    before = module.code_digest(["workflow.scripts.two"], [template])
    template.write_text("<p>two</p>")
    assert module.code_digest(["workflow.scripts.two"], [template]) != before


def test_a_file_that_is_no_python_is_named(tree: Path) -> None:
    own = tree / "my_pde.py"
    own.write_text("class MyPDE(:\n")
    with pytest.raises(ConfigError, match=r"my_pde\.py: not a Python file"):
        module.code_digest([], [own])


def test_the_project_has_no_relative_imports_which_would_go_unseen() -> None:
    relative = [
        f"{path}:{node.lineno}"
        for package in module.PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the project's code that plans take their digests from."""
    code = tmp_path_factory.mktemp("project")
    for package in module.PACKAGES:
        leave_out = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, code / package, ignore=leave_out)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(module, "ROOT", code)
        monkeypatch.chdir(code)
        yield code


def plan(**model: object) -> Plan:
    experiment = tiny_experiment()
    experiment["model"] |= model
    path = Path("experiment.yaml")
    path.write_text(yaml.safe_dump(experiment), encoding="utf-8")
    return Plan(path, claim=False)


def stages_changed(plan: Plan, path: Path, edited: Callable[[str], str]) -> set[str]:
    """Stages whose ``code`` param an edit changes; the file is as before afterwards."""
    text = path.read_text(encoding="utf-8")
    assert edited(text) != text
    before = {stage: plan.code(stage) for stage in STAGES}
    path.write_text(edited(text), encoding="utf-8")
    after = {stage: plan.code(stage) for stage in STAGES}
    path.write_text(text, encoding="utf-8")
    return {stage for stage in STAGES if after[stage] != before[stage]}


def lengthened(text: str) -> str:
    return f"{text}\nNEW = 1\n"


USES_EQUATION = {"simulate", "train_physical", "augment", "evaluate"}
USES_SURROGATE = {"train_synthetic", "evaluate"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("src/models/physical/burgers.py", USES_EQUATION),
        ("src/models/physical/allen_cahn.py", set()),
        ("src/models/synthetic/unet.py", USES_SURROGATE),
        ("src/evaluation/report.py", {"report"}),
        ("workflow/scripts/augment.py", {"augment"}),
        ("workflow/stage.py", set(STAGES)),
    ],
)
def test_code_counts_where_it_is_used(project: Path, name: str, expected: set[str]) -> None:
    assert stages_changed(plan(), project / name, lengthened) == expected


def test_numerics_count_wherever_the_equation_is_solved(project: Path) -> None:
    found = stages_changed(plan(), project / "src/numerics/discretization.py", lengthened)
    assert found >= USES_EQUATION
    assert not found & {"cache", "report"}


def test_a_docstring_reruns_nothing(project: Path) -> None:
    def edited(text: str) -> str:
        return text.replace("A uniform rectilinear grid", "A grid")

    assert stages_changed(plan(), project / "src/data/grid.py", edited) == set()


@pytest.mark.parametrize(
    ("kind", "built_in", "name", "expected"),
    [
        ("physical", "src/models/physical/burgers.py", "BurgersPDE", USES_EQUATION),
        ("synthetic", "src/models/synthetic/unet.py", "UNet", USES_SURROGATE),
    ],
)
def test_a_module_of_ones_own_counts(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    built_in: str,
    name: str,
    expected: set[str],
) -> None:
    for table in ("_physical", "_synthetic"):
        monkeypatch.setattr(ModelRegistry, table, dict(getattr(ModelRegistry, table)))
    own = project / f"my_{kind}.py"
    text = (ROOT / built_in).read_text(encoding="utf-8")
    text = text.replace(f'register_{kind}("{name}")', f'register_{kind}("Mine")')
    own.write_text(text, encoding="utf-8")
    section = tiny_experiment()["model"][kind] | {"name": "Mine", "module": own.name}
    assert stages_changed(plan(**{kind: section}), own, lengthened) == expected
