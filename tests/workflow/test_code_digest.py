"""Digests of the code: which edits re-run which stages."""

import ast
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hybrid_pde.errors import ConfigError
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.workflow import code_digest as module
from hybrid_pde.workflow import plan as plan_module
from hybrid_pde.workflow.plan import Plan
from tests.workflow.tiny import ROOT, tiny_experiment

STAGES = ("simulate", "cache", "train_physical", "augment", "train_synthetic", "evaluate", "report")
LIBRARY = "src/hybrid_pde"
TREE = {
    "scripts/one.py": "from hybrid_pde.direct import start\n\nstart()\n",
    "scripts/two.py": "import hybrid_pde.single\n",
    "scripts/three.py": "from hybrid_pde import direct\nfrom hybrid_pde.package import name\n",
    f"{LIBRARY}/__init__.py": "",
    f"{LIBRARY}/direct.py": '''\
"""Start of it all."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hybrid_pde.unused import value
else:
    import math


def start():
    """Say so."""
    from hybrid_pde.deep import value  # an import inside a function counts too

    return value
''',
    f"{LIBRARY}/deep.py": "import math\n\nvalue = 2 * math.pi\n",
    f"{LIBRARY}/single.py": "value = 3\n",
    f"{LIBRARY}/package/__init__.py": "from hybrid_pde.package.inner import name\n",
    f"{LIBRARY}/package/inner.py": "from hybrid_pde import deep\n\nname = deep.value\n",
    f"{LIBRARY}/unused.py": "value = 4\n",
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
def forget_parsed_files() -> Iterator[None]:
    """Files are parsed once per process; in these tests, once for each content."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(module, "_source", by_content(module._source.__wrapped__))
        monkeypatch.setattr(module, "_digest", module._digest.__wrapped__)
        yield


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small library with three programs."""
    for name, text in TREE.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.setattr(module, "PACKAGE", tmp_path / LIBRARY)
    return tmp_path


def digests(root: Path) -> dict[str, str]:
    """The digest of each program."""
    names = ("one", "two", "three")
    return {name: module.code_digest([], [root / f"scripts/{name}.py"]) for name in names}


def changed(root: Path, name: str, old: str, new: str) -> set[str]:
    """Programs with a digest that the edit changes."""
    before = digests(root)
    path = root / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    after = digests(root)
    return {name for name, digest in before.items() if after[name] != digest}


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("direct.py", "Start of it all.", "Start of all."),
        ("direct.py", '    """Say so."""\n', ""),
        ("direct.py", "counts too", "is seen"),
        ("deep.py", "2 * math.pi", "(2\n    * math.pi)"),
        ("unused.py", "4", "5"),
    ],
    ids=["docstring", "docstring removed", "comment", "layout", "module imported for types alone"],
)
def test_an_edit_that_changes_no_result_changes_no_digest(
    tree: Path, name: str, old: str, new: str
) -> None:
    assert changed(tree, f"{LIBRARY}/{name}", old, new) == set()


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("scripts/two.py", "single", "unused", {"two"}),
        (f"{LIBRARY}/single.py", "3", "4", {"two"}),
        (f"{LIBRARY}/direct.py", "return value", "return -value", {"one", "three"}),
        (f"{LIBRARY}/deep.py", "2 *", "3 *", {"one", "three"}),
        (f"{LIBRARY}/package/__init__.py", "import name", "import name as name, deep", {"three"}),
        (f"{LIBRARY}/package/inner.py", "deep.value", "-deep.value", {"three"}),
    ],
)
def test_an_edit_changes_the_digests_of_those_that_import_it(
    tree: Path, name: str, old: str, new: str, expected: set[str]
) -> None:
    assert changed(tree, name, old, new) == expected


def test_renaming_a_module_changes_digests(tree: Path) -> None:
    before = digests(tree)
    (tree / LIBRARY / "deep.py").rename(tree / LIBRARY / "deeper.py")
    assert {name for name, digest in digests(tree).items() if before[name] != digest} == {
        "one",
        "three",
    }


def test_digests_do_not_depend_on_paths(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digests(tree)
    shutil.copytree(tree, tree / "elsewhere")
    monkeypatch.setattr(module, "PACKAGE", tree / "elsewhere" / LIBRARY)
    assert digests(tree / "elsewhere") == before


@pytest.mark.parametrize(
    "statement",
    [
        "from hybrid_pde.deep import value\n",
        "from src.deep import value\n",
        "from src.hybrid_pde.deep import value\n",
        "import src.deep\n",
        "from src import deep\n",
    ],
)
def test_a_users_file_counts_with_its_imports(tree: Path, statement: str) -> None:
    own = tree / "my_pde.py"

    def digest() -> str:
        return module.code_digest([], [tree / "scripts/two.py", own])

    own.write_text(f'"""Mine."""\n{statement}')
    first = digest()
    own.write_text(f'"""My own."""\n{statement}  # the number\n'.replace("\n  #", "  #"))
    assert digest() == first
    (tree / LIBRARY / "deep.py").write_text("value = 0\n")
    second = digest()
    assert second != first
    own.write_text(f"{statement}\nvalue = 1\n")
    assert digest() not in {first, second}


def test_files_of_the_same_name_count_each(tree: Path) -> None:
    own = tree / "two.py"
    own.write_text("value = 1\n")
    files = [tree / "scripts/two.py", own]
    before = module.code_digest([], files)
    files[0].write_text("import hybrid_pde.single\n\nvalue = 2\n")
    assert module.code_digest([], files) != before


def test_an_alias_counts_as_its_module(tree: Path) -> None:
    text = (tree / "scripts/one.py").read_text()
    for alias in ("src.direct", "src.hybrid_pde.direct"):
        own = tree / alias / "one.py"
        own.parent.mkdir()
        own.write_text(text.replace("hybrid_pde.direct", alias))
        before = module.code_digest([], [own])
        path = tree / LIBRARY / "deep.py"
        path.write_text(path.read_text() + "\nvalue += 1\n")
        assert module.code_digest([], [own]) != before


def test_every_edit_of_a_template_counts(tree: Path) -> None:
    program, template = tree / "scripts/two.py", tree / "page.html.j2"
    template.write_text("<p>one</p>")
    before = module.code_digest([], [program, template])
    template.write_text("<p>two</p>")
    assert module.code_digest([], [program, template]) != before


def test_a_file_with_a_syntax_error_is_named(tree: Path) -> None:
    own = tree / "my_pde.py"
    own.write_text("class MyPDE(:\n")
    with pytest.raises(ConfigError, match=r"my_pde\.py: not a Python file"):
        module.code_digest([], [own])


def test_the_library_has_no_relative_imports() -> None:
    relative = [
        f"{path}:{node.lineno}"
        for folder in ("src", "workflow")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the project's code from which plans compute digests."""
    code = tmp_path_factory.mktemp("project")
    for folder in ("src", "workflow"):
        leave_out = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, code / folder, ignore=leave_out)
    package = code / LIBRARY
    templates = {
        stage: tuple(package / path.relative_to(plan_module.PACKAGE) for path in paths)
        for stage, paths in plan_module.TEMPLATES.items()
    }
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(module, "PACKAGE", package)
        monkeypatch.setattr(plan_module, "SCRIPTS", code / "workflow/scripts")
        monkeypatch.setattr(plan_module, "TEMPLATES", templates)
        monkeypatch.chdir(code)
        yield code


def plan(**model: object) -> Plan:
    experiment = tiny_experiment()
    experiment["model"] |= model
    path = Path("experiment.yaml")
    path.write_text(yaml.safe_dump(experiment), encoding="utf-8")
    return Plan(path, claim=False)


def stages_changed(plan: Plan, path: Path, edited: Callable[[str], str]) -> set[str]:
    """Stages with a ``code`` param that the edit changes; the edit is undone afterwards."""
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
EQUATIONS = f"{LIBRARY}/models/physical/equations"
ARCHITECTURES = f"{LIBRARY}/models/synthetic/architectures"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (f"{EQUATIONS}/burgers.py", USES_EQUATION),
        (f"{EQUATIONS}/allen_cahn.py", set()),
        (f"{ARCHITECTURES}/unet/network.py", USES_SURROGATE),
        (f"{ARCHITECTURES}/fno/network.py", set()),
        (f"{LIBRARY}/evaluation/report/html_report.py", {"report"}),
        (f"{LIBRARY}/evaluation/report/templates/report.html.j2", {"report"}),
        ("workflow/scripts/augment.py", {"augment"}),
        (f"{LIBRARY}/workflow/stage_program.py", set(STAGES)),
        (f"{LIBRARY}/training/physical/physical_trainer.py", {"train_physical"}),
        (f"{LIBRARY}/training/synthetic/synthetic_trainer.py", {"train_synthetic"}),
    ],
)
def test_code_counts_where_it_is_used(project: Path, name: str, expected: set[str]) -> None:
    assert stages_changed(plan(), project / name, lengthened) == expected


def test_numerics_count_wherever_the_equation_is_solved(project: Path) -> None:
    found = stages_changed(plan(), project / LIBRARY / "numerics/discretization.py", lengthened)
    assert found >= USES_EQUATION
    assert not found & {"cache", "report"}


@pytest.mark.parametrize(
    ("name", "docstring"),
    [("domain/grid.py", '"""'), ("config/schema/training.py", '    """Weight decay')],
    ids=["of a module", "of a key"],
)
def test_a_docstring_reruns_nothing(project: Path, name: str, docstring: str) -> None:
    def edited(text: str) -> str:
        assert docstring in text
        return text.replace(docstring, f"{docstring}New: ", 1)

    assert stages_changed(plan(), project / LIBRARY / name, edited) == set()


@pytest.mark.parametrize(
    ("kind", "built_in", "definition", "expected"),
    [
        ("physical", f"{EQUATIONS}/burgers.py", "class Burgers(", USES_EQUATION),
        ("synthetic", f"{ARCHITECTURES}/unet/network.py", "class UNet(", USES_SURROGATE),
    ],
)
def test_a_users_module_counts(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    built_in: str,
    definition: str,
    expected: set[str],
) -> None:
    assert ModelRegistry.physical_names() and ModelRegistry.synthetic_names()
    for table in ("_physical", "_synthetic"):
        monkeypatch.setattr(ModelRegistry, table, dict(getattr(ModelRegistry, table)))
    own = project / f"my_{kind}.py"
    text = (ROOT / built_in).read_text(encoding="utf-8")
    registered = f'@ModelRegistry.register_{kind}("Mine")\n{definition}'
    imported = f"from hybrid_pde.models.registry import ModelRegistry\n\n\n{registered}"
    assert definition in text
    text = text.replace(definition, imported)
    own.write_text(text, encoding="utf-8")
    section = tiny_experiment()["model"][kind] | {"name": "Mine", "module": own.name}
    assert stages_changed(plan(**{kind: section}), own, lengthened) == expected
