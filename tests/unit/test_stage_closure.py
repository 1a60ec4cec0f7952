"""Code imported by each stage: allowed packages, and edits that re-run the stage."""

import ast
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.write_reference import STAGES
from hybrid_pde.config import Experiment, parse_experiment
from hybrid_pde.config.derived import chosen_simulations, cycle_stages
from hybrid_pde.domain.run_folders import Run
from hybrid_pde.errors import ConfigError
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.training.hybrid.cycles import run_cycles
from hybrid_pde.workflow import code_digest, stage_inputs
from hybrid_pde.workflow import plan as planning
from hybrid_pde.workflow.plan import Plan
from tests.workflow.tiny import ROOT, tiny_experiment

SURROGATE = (
    "models.synthetic",
    "models.surrogate_file",
    "training.synthetic",
    "training.augmentation",
)
CALIBRATION = ("training.physical", "training.hybrid", "training.augmentation")
OWN_NETWORK = """
from torch import nn

from hybrid_pde.models.registry import ModelRegistry


@ModelRegistry.register_synthetic("Own")
class Own(nn.Conv2d):
    def __init__(self, in_channels, out_channels, spatial_dims, boundary):
        super().__init__(in_channels, out_channels, 1)
"""


def closure(stage: str) -> set[str]:
    """Modules of the library that a stage's script imports, directly or through others."""
    pending = list(code_digest._source(ROOT / f"workflow/scripts/{stage}.py").imported)
    modules: set[str] = set()
    while pending:
        module = pending.pop()
        path = code_digest._module_path(module)
        if path is not None and module not in modules:
            modules.add(module)
            pending.extend(code_digest._source(path).imported)
    return modules


def within(modules: set[str], packages: tuple[str, ...]) -> list[str]:
    """The modules that belong to these packages."""
    prefixes = tuple(f"hybrid_pde.{package}" for package in packages)
    return sorted(name for name in modules if name.startswith(prefixes))


@pytest.mark.parametrize("stage", STAGES)
def test_a_script_calls_its_stage_once_and_no_facade(stage: str) -> None:
    modules = closure(stage)
    assert within(modules, ("stages",)).count(f"hybrid_pde.stages.{stage}") == 1
    assert within(modules, ("factories",)) == []
    tree = ast.parse((ROOT / f"workflow/scripts/{stage}.py").read_text(encoding="utf-8"))
    names = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    used = [name for name in names if name and name.startswith("hybrid_pde.stages")]
    assert len(used) == 1
    allowed = ("hybrid_pde.stages", "hybrid_pde.workflow", "hybrid_pde.domain", "pathlib")
    assert all(name.startswith(allowed) for name in names if name)


def test_stages_import_no_layer_above_them() -> None:
    for path in (ROOT / "src/hybrid_pde/stages").glob("*.py"):
        above = within(set(code_digest._source(path).imported), ("factories", "workflow", "cli"))
        assert above == [], path.name


def test_the_calibration_imports_no_surrogate_code() -> None:
    modules = closure("train_physical")
    assert within(modules, SURROGATE) == []
    assert "hybrid_pde.training.physical.physical_trainer" in modules


def test_surrogate_training_imports_no_calibration_code() -> None:
    modules = closure("train_synthetic")
    assert within(modules, CALIBRATION) == []
    assert "hybrid_pde.training.synthetic.synthetic_trainer" in modules


def test_the_cache_imports_no_model_code() -> None:
    assert within(closure("cache"), ("models", "numerics", "training")) == []


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the project's code for the digests of plans; each file text is read once."""
    root = tmp_path_factory.mktemp("project")
    leave_out = shutil.ignore_patterns("__pycache__")
    for folder in ("src/hybrid_pde", "workflow/scripts"):
        shutil.copytree(ROOT / folder, root / folder, ignore=leave_out)
    package = root / "src/hybrid_pde"
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(code_digest, "_source", by_text(code_digest._source.__wrapped__))
        monkeypatch.setattr(code_digest, "_digest", code_digest._digest.__wrapped__)
        monkeypatch.setattr(code_digest, "PACKAGE", package)
        monkeypatch.setattr(planning, "PACKAGE", package)
        monkeypatch.setattr(planning, "SCRIPTS", root / "workflow/scripts")
        template = package / "evaluation/report/templates/report.html.j2"
        monkeypatch.setattr(planning, "TEMPLATES", {"report": (template,)})
        monkeypatch.chdir(root)
        yield package


def by_text(function: Callable[[Path], Any]) -> Callable[[Path], Any]:
    """Cache a function of a file by the file's text."""
    known: dict[tuple[Path, str], Any] = {}

    def look(path: Path) -> Any:
        key = path, path.read_text(encoding="utf-8")
        if key not in known:
            known[key] = function(path)
        return known[key]

    return look


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("training/physical/physical_trainer.py", {"calibrate", "train_physical"}),
        ("training/hybrid/guided_calibration.py", {"train_physical"}),
        ("training/synthetic/synthetic_trainer.py", {"train_synthetic"}),
        ("training/synthetic/validated_training.py", {"train_synthetic"}),
        ("training/augmentation/augmentation.py", {"augment"}),
        ("training/hybrid/guidance.py", {"guide"}),
        ("training/hybrid/hybrid_trainer.py", set()),
        ("factories/trainer_factory.py", set()),
        ("stages/pipeline.py", set()),
        ("models/synthetic/user_network.py", set()),
    ],
)
def test_an_edit_of_a_trainer_reruns_only_the_stages_that_use_it(
    project: Path, module: str, expected: set[str]
) -> None:
    assert stages_changed(plan_of(tiny_experiment()), project / module) == expected


def test_the_wrapper_of_a_user_network_is_in_the_digest_only_if_used(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "UNet" in ModelRegistry.synthetic_names(), "registered before the copy is used"
    monkeypatch.setattr(ModelRegistry, "_synthetic", dict(ModelRegistry._synthetic))
    Path("own.py").write_text(OWN_NETWORK, encoding="utf-8")
    experiment = tiny_experiment()
    section = {"name": "Own", "module": "own.py", "architecture": {}}
    experiment["model"]["synthetic"] |= section
    changed = stages_changed(plan_of(experiment), project / "models/synthetic/user_network.py")
    assert changed == {"train_synthetic", "guide", "evaluate"}


def plan_of(experiment: dict[str, Any]) -> Plan:
    path = Path("experiment.yaml")
    path.write_text(yaml.safe_dump(experiment), encoding="utf-8")
    return Plan(path, claim=False)


def stages_changed(plan: Plan, path: Path) -> set[str]:
    """Stages with a ``code`` param that changes with an edit of a file, which is then undone."""
    text = path.read_text(encoding="utf-8")
    before = {stage: plan.code(stage) for stage in STAGES}
    path.write_text(f"{text}\nNEW = 1\n", encoding="utf-8")
    try:
        return {stage for stage in STAGES if plan.code(stage) != before[stage]}
    finally:
        path.write_text(text, encoding="utf-8")


class _Recorder:
    """Stages that record their calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []

    def __getattr__(self, stage: str) -> Callable[[int], None]:
        return lambda cycle: self.calls.append((stage, cycle))


def hybrid(cycles: int, **sections: Any) -> Experiment:
    mapping = tiny_experiment(hybrid={"cycles": cycles}, augmentation={"num_simulations": 2})
    return parse_experiment({**mapping, **sections})


def test_a_cycle_has_its_stages_in_order() -> None:
    recorder = _Recorder()
    run_cycles(hybrid(2), recorder)
    rest = ("train_physical", "augment", "train_synthetic")
    first, second = [(stage, 1) for stage in rest], [(stage, 2) for stage in rest]
    assert recorder.calls == [*first, ("guide", 2), *second]


def test_rules_need_the_outputs_of_the_stages_of_their_cycle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = plan_of(tiny_experiment(hybrid={"cycles": 2}))
    for cycle in (1, 2):
        run = Run.parse(f"{plan.name}/cycle_{cycle:02d}")
        stages = cycle_stages(plan.experiment, cycle)
        guidance = stage_inputs.train_physical(plan, run)["guidance"]
        augmented = stage_inputs.train_synthetic(plan, run)["augmented"]
        assert bool(guidance) == ("guide" in stages) == (cycle > 1)
        assert augmented and "augment" in stages


def test_an_experiment_of_one_model_has_the_stages_of_that_model() -> None:
    for kind in ("physical", "synthetic"):
        experiment = hybrid(1, run_params={"model_type": kind})
        assert cycle_stages(experiment, 1) == (f"train_{kind}",)
    off = hybrid(2, augmentation={"enabled": False})
    assert cycle_stages(off, 2) == ("guide", "train_physical", "train_synthetic")


def test_the_simulations_to_train_on_must_be_named() -> None:
    assert chosen_simulations(None, [3, 1]) == [3, 1]
    assert chosen_simulations([2], [3, 1]) == [2]
    for given in ([], None):
        with pytest.raises(ConfigError, match=r"trainer_params\.train_sim: missing"):
            chosen_simulations(given, [])
