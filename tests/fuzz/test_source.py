"""Static check of the source code for ways of reading files that could execute their content."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [*sorted((ROOT / "src").rglob("*.py")), *sorted((ROOT / "workflow").rglob("*.py"))]
SOURCES += [ROOT / "run.py"]
# a process sends its own functions to the processes that it starts; nothing comes from a file
UNPICKLES = {"src/hybrid_pde/training/synthetic/processes.py"}
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}
CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "np.fromregex"}
YAML = {"yaml.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load", "yaml.Loader"}
YAML |= {"yaml.UnsafeLoader", "yaml.FullLoader"}


def _forbidden(path: Path, tree: ast.Module) -> Iterator[str]:
    name = path.relative_to(ROOT).as_posix()
    for node in ast.walk(tree):
        place = f"{name}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Import | ast.ImportFrom):
            imported = {alias.name for alias in node.names} | {getattr(node, "module", "") or ""}
            if {each.split(".")[0] for each in imported} & MODULES and name not in UNPICKLES:
                yield f"{place}: unpickles"
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in YAML:
            yield f"{place}: a loader of YAML that makes objects"
        elif isinstance(node, ast.Call):
            yield from _forbidden_call(place, node)


def _forbidden_call(place: str, call: ast.Call) -> Iterator[str]:
    function = ast.unparse(call.func)
    options = {each.arg: ast.unparse(each.value) for each in call.keywords}
    if function in CALLS:
        yield f"{place}: {function}"
    if function == "torch.load" and options.get("weights_only") != "True":
        yield f"{place}: torch.load without weights_only=True"
    if function in ("np.load", "numpy.load") and options.get("allow_pickle") != "False":
        yield f"{place}: np.load without allow_pickle=False"
    if function.endswith(".read_array") and options.get("allow_pickle") != "False":
        yield f"{place}: read_array without allow_pickle=False"
    if options.get("shell") == "True":
        yield f"{place}: a shell"
    if function == "jinja2.Environment" and options.get("autoescape") != "True":
        yield f"{place}: HTML without autoescape=True"


def test_no_code_executes_what_it_reads() -> None:
    found = [
        each
        for path in SOURCES
        for each in _forbidden(path, ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert len(SOURCES) > 200
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from joblib import load", "eval('1')", "yaml.load(x, yaml.SafeLoader)",
        "torch.load(x)", "torch.load(x, weights_only=False)", "np.load(x)",
        "np.lib.format.read_array(x)",
        "subprocess.run(x, shell=True)", "jinja2.Environment()", "yaml.unsafe_load(x)",
    ],
)  # fmt: skip
def test_forbidden_calls_are_found(source: str) -> None:
    assert list(_forbidden(ROOT / "src" / "x.py", ast.parse(source)))
