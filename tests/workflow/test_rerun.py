"""Jobs that re-run after a change: each row of the table in ``docs/workflow.md``.

A job re-runs if its settings or inputs change, and so do the jobs that read its outputs. Most rows
are tested with plans in this process, some of them also with a dry run of Snakemake.
"""

import itertools
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml

from hybrid_pde.domain.run_folders import Run
from hybrid_pde.workflow import stage_inputs
from hybrid_pde.workflow.plan import Plan
from tests.workflow.conftest import EXPERIMENT
from tests.workflow.snakemake_run import TARGET, planned_jobs, run
from tests.workflow.tiny import ROOT, write_experiment

LAST = {"evaluate", "report", "synthetic_model"}
SHOWN = {"report", "synthetic_model"}
CALIBRATED = {"train_physical", "augment", "train_synthetic", *LAST}
CHANGES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "nothing": ({}, set()),
    "workflow.sims_per_job": ({"workflow": {"sims_per_job": 2}}, set()),
    "workflow.checkpoint_every_s": ({"workflow": {"checkpoint_every_s": 5}}, set()),
    "workflow.compile": ({"workflow": {"compile": "never"}}, set()),
    "evaluation_params.num_steps": ({"evaluation_params": {"num_steps": 4}}, LAST),
    "evaluation_params.long_factor": ({"evaluation_params": {"long_factor": 2}}, LAST),
    "trainer_params.synthetic.replicates": (
        {"trainer_params": {"synthetic": {"replicates": 2}}},
        {"train_synthetic", *LAST},
    ),
    "hybrid.revert_if_worse": ({"hybrid": {"revert_if_worse": False}}, SHOWN),
    "augmentation.max_disk_mb": ({"augmentation": {"max_disk_mb": 50.0}}, SHOWN),
    "workflow.tensorboard": ({"workflow": {"tensorboard": True}}, set()),
    "augmentation.alpha": ({"augmentation": {"alpha": 0.6}}, {"train_synthetic", *LAST}),
    "trainer_params.synthetic.epochs": (
        {"trainer_params": {"synthetic": {"epochs": 4}}},
        {"train_synthetic", *LAST},
    ),
    "augmentation.num_simulations": (
        {"augmentation": {"num_simulations": 5}},
        {"augment", "train_synthetic", *LAST},
    ),
    "initial_guess": (
        {
            "trainer_params": {
                "physical": {"learnable_parameters": [{"name": "viscosity", "initial_guess": 0.03}]}
            }
        },
        CALIBRATED,
    ),
    "trainer_params.physical.starts": ({"trainer_params": {"physical": {"starts": 2}}}, CALIBRATED),
    "model.physical.numerics.refine": (
        {"model": {"physical": {"numerics": {"refine": 2}}}},
        CALIBRATED,
    ),
    "data.observations.noise": ({"data": {"observations": {"noise": 0.01}}}, CALIBRATED),
    "data.known_parameters": (
        {"data": {"known_parameters": {"advection": "speed"}}},
        {"cache", *CALIBRATED},
    ),
    "generation_params.parameters": (
        {"generation_params": {"parameters": {"viscosity": 0.011}}},
        {"simulate", "cache", *CALIBRATED},
    ),
}


def merged(experiment: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The experiment with the changes merged into its sections."""
    result = dict(experiment)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


OUTPUTS = {  # outputs of each stage that other stages read
    "simulate": r"data/burgers_2d/simulated_.*",
    "cache": r"data/cache/burgers_2d/cached_.*",
    "train_physical": r".*/physical/(parameters\.yaml|history\.csv)",
    "augment": r".*/augmented/generated_.*",
    "train_synthetic": r".*/(synthetic_model\.pt|synthetic/history\.csv)",
    "evaluate": r".*/evaluation/.*",
}
STAGES = (*OUTPUTS, "report")


def inputs(plan: Plan, stage: str) -> set[str]:
    """Files that the jobs of a stage read."""
    if stage == "simulate":
        return set()
    if stage == "cache":
        return set(plan.raw_inputs((0, plan.num_simulations - 1)))
    run = Run.parse(plan.name)
    return set(itertools.chain(*getattr(stage_inputs, stage)(plan, run).values()))


def stages_rerun(before: Plan, after: Plan) -> set[str]:
    """Stages with changed settings or inputs, and all stages that depend on them."""
    found: set[str] = set()
    for stage in STAGES:
        read = inputs(after, stage)
        is_stale = any(re.fullmatch(OUTPUTS[each], path) for each in found for path in read)
        is_other = before.settings(stage) != after.settings(stage) or read != inputs(before, stage)
        if is_stale or is_other:
            found.add(stage)
    return found


def changed_experiment(folder: Path, change: str) -> set[str]:
    """Make the change in a finished folder; returns the jobs that have to re-run."""
    changes, expected = CHANGES[change]
    path = folder / EXPERIMENT
    path.write_text(yaml.safe_dump(merged(yaml.safe_load(path.read_text()), changes)))
    return expected


# Changes that keep the settings of existing jobs but add jobs, which a dry run counts.
FURTHER_JOBS = {"trainer_params.synthetic.replicates", "augmentation.num_simulations"}


@pytest.mark.parametrize("change", [change for change in CHANGES if change not in FURTHER_JOBS])
def test_a_changed_setting_reruns_what_uses_it(
    copy_of_finished: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copy_of_finished)
    before = Plan(Path(EXPERIMENT), claim=False)
    expected = changed_experiment(copy_of_finished, change)
    # the copy of the surrogate at the top is repeated after every report
    assert stages_rerun(before, Plan(Path(EXPERIMENT), claim=False)) == expected - {
        "synthetic_model"
    }


@pytest.mark.parametrize(
    "change",
    ["hybrid.revert_if_worse", "generation_params.parameters", *sorted(FURTHER_JOBS)],
)
def test_snakemake_reruns_what_the_plans_say(copy_of_finished: Path, change: str) -> None:
    expected = changed_experiment(copy_of_finished, change)
    assert set(planned_jobs(copy_of_finished)) == expected


def test_a_renamed_experiment_shares_raw_files_and_cache(
    copy_of_finished: Path,
) -> None:
    experiment = yaml.safe_load((copy_of_finished / EXPERIMENT).read_text())
    experiment["run_params"]["experiment_name"] = "other"
    experiment["trainer_params"]["synthetic"]["epochs"] = 2
    (copy_of_finished / "config/other.yaml").write_text(yaml.safe_dump(experiment))
    jobs = planned_jobs(copy_of_finished, "results/other/synthetic_model.pt")
    assert set(jobs) == {"train_physical", "augment", "train_synthetic"}


def test_two_experiments_make_their_shared_cache_once(tmp_path: Path, finished: Path) -> None:
    (tmp_path / "config").mkdir()
    experiment = yaml.safe_load((finished / EXPERIMENT).read_text())
    for name in ("one", "two"):
        experiment["run_params"]["experiment_name"] = name
        (tmp_path / f"config/{name}.yaml").write_text(yaml.safe_dump(experiment))
    targets = [f"results/{name}/synthetic_model.pt" for name in ("one", "two")]
    jobs = planned_jobs(tmp_path, *targets, "--config", "experiment=one")
    assert jobs == {
        "simulate": 1,
        "cache": 1,
        "train_physical": 2,
        "augment": 2,
        "train_synthetic": 2,
    }


def test_different_selections_of_the_same_files_have_separate_caches(
    tmp_path: Path, finished: Path
) -> None:
    (tmp_path / "config").mkdir()
    experiment = yaml.safe_load((finished / EXPERIMENT).read_text())
    for name, stride in (("one", 1), ("two", 2)):
        experiment["run_params"]["experiment_name"] = name
        experiment["data"]["select"] = {"stride": stride}
        (tmp_path / f"config/{name}.yaml").write_text(yaml.safe_dump(experiment))
    targets = [f"results/{name}/physical/parameters.yaml" for name in ("one", "two")]
    jobs = planned_jobs(tmp_path, *targets, "--config", "experiment=one")
    assert jobs == {"simulate": 1, "cache": 2, "train_physical": 2}


def test_an_experiment_in_any_folder_can_be_the_default(tmp_path: Path, finished: Path) -> None:
    elsewhere = tmp_path / "somewhere else" / "mine.yaml"
    elsewhere.parent.mkdir()
    experiment = yaml.safe_load((finished / EXPERIMENT).read_text())
    del experiment["run_params"]["experiment_name"]
    elsewhere.write_text(yaml.safe_dump(experiment))
    jobs = planned_jobs(
        tmp_path, TARGET, "results/mine/report.html", "--config", f"experiment={elsewhere}"
    )
    assert jobs["synthetic_model"] == jobs["report"] == 1


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project's code with a Snakefile that can replace the project's."""
    copy = tmp_path_factory.mktemp("code")
    shutil.copy2(ROOT / "Snakefile", copy)
    for name in ("src", "workflow", "config"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


EDITS = {
    "a function that the evaluation alone uses": (
        "src/hybrid_pde/evaluation/figures/animation.py",
        "NEW = 1",
        LAST,
    ),
    "a comment and a docstring": ("src/hybrid_pde/domain/grid.py", "# new", set()),
    "an equation that is not solved": (
        "src/hybrid_pde/models/physical/equations/allen_cahn.py",
        "NEW = 1",
        set(),
    ),
}


# the edits that rerun nothing are among those of test_code_digest.py, too
FURTHER = [pytest.param(name, marks=pytest.mark.nightly) for name in EDITS if not EDITS[name][2]]


@pytest.mark.parametrize("edit", [*(name for name in EDITS if EDITS[name][2]), *FURTHER])
def test_an_edit_of_the_code_reruns_the_stages_that_import_it(
    copy_of_finished: Path, code: Path, edit: str
) -> None:
    name, line, expected = EDITS[edit]
    text = (code / name).read_text()
    changed = text.replace('"""', '"""New: ', 1) if line == "# new" else text
    (code / name).write_text(f"{changed}\n{line}\n")
    jobs = planned_jobs(copy_of_finished, TARGET, "--snakefile", str(code / "Snakefile"))
    (code / name).write_text(text)
    assert set(jobs) == expected


def test_an_edit_of_a_users_module_reruns_its_stages(copy_of_finished: Path) -> None:
    own = copy_of_finished / "my_unet.py"
    own.write_text(
        "from hybrid_pde.models.registry import ModelRegistry\n"
        "from hybrid_pde.models.synthetic import UNet\n\n\n"
        '@ModelRegistry.register_synthetic("Mine")\n'
        "class Mine(UNet):\n    pass\n"
    )
    path = copy_of_finished / EXPERIMENT
    changes = {"model": {"synthetic": {"name": "Mine", "module": own.name}}}
    path.write_text(yaml.safe_dump(merged(yaml.safe_load(path.read_text()), changes)))
    assert run(copy_of_finished, "--touch", TARGET).returncode == 0
    assert planned_jobs(copy_of_finished) == {}
    own.write_text(own.read_text() + "\nNEW = 1\n")
    assert set(planned_jobs(copy_of_finished)) == {"train_synthetic", *LAST}


def test_another_number_of_cores_reruns_nothing(copy_of_finished: Path) -> None:
    assert planned_jobs(copy_of_finished, TARGET, "--cores", "7") == {}


def test_additional_simulations_do_not_repeat_existing_ones(copy_of_finished: Path) -> None:
    path = copy_of_finished / EXPERIMENT
    changes: dict[str, Any] = {"generation_params": {"num_simulations": 6}}
    path.write_text(yaml.safe_dump(merged(yaml.safe_load(path.read_text()), changes)))
    assert set(planned_jobs(copy_of_finished)) == SHOWN, "no job uses them"
    changes = {"trainer_params": {"test_sim": [3, 4]}}
    path.write_text(yaml.safe_dump(merged(yaml.safe_load(path.read_text()), changes)))
    announced = run(copy_of_finished, "--dry-run", TARGET).stdout
    assert "simulate raw files 000004-000005" in announced
    assert "cache simulations 000004-000005" in announced
    jobs = planned_jobs(copy_of_finished)
    assert jobs == dict.fromkeys(["simulate", "cache", *LAST], 1)


def test_another_library_version_is_reported_and_reruns_nothing(copy_of_finished: Path) -> None:
    recorded = copy_of_finished / "results/burgers_2d/logs/train_physical.versions.json"
    content = json.loads(recorded.read_text())
    assert "made with" not in run(copy_of_finished, "--dry-run", TARGET).stdout
    today = content["packages"]["torch"]
    content["packages"]["torch"] = "1.0.0"
    recorded.write_text(json.dumps(content))
    result = run(copy_of_finished, TARGET)
    warning = f"made with torch 1.0.0, not the installed {today}: results/burgers_2d/train_physical"
    assert f"{warning}; they are kept" in result.stdout
    assert "Nothing to be done" in result.stdout


def test_an_unchanged_raw_file_with_a_new_date_reruns_nothing(tmp_path: Path) -> None:
    raw = tmp_path / "data/burgers_2d/a.nc"
    raw.parent.mkdir(parents=True)
    x = (np.arange(64) + 0.5) / 64
    velocity = np.random.default_rng(0).normal(size=(40, 2, 64, 64))
    dataset = xr.Dataset(
        {"velocity": (("time", "component", "x", "y"), velocity)},
        {"time": np.arange(40) * 0.1, "component": ["x", "y"], "x": x, "y": x},
    )
    dataset.to_netcdf(raw)
    assert raw.stat().st_size > 2_000_000, "too large for Snakemake to compare contents by default"
    path = write_experiment(tmp_path / EXPERIMENT)
    experiment = yaml.safe_load(path.read_text())
    del experiment["generation_params"]
    experiment["trainer_params"] |= {"train_sim": [0], "val_sim": [], "test_sim": []}
    path.write_text(yaml.safe_dump(experiment))
    target = "data/cache/burgers_2d/cached_000000-000000.json"
    made = run(tmp_path, target)
    assert made.returncode == 0, made.stdout
    os.utime(raw)
    assert planned_jobs(tmp_path, target) == {}
    content = raw.read_bytes()
    raw.write_bytes(content)
    assert planned_jobs(tmp_path, target) == {}
    (2 * dataset[["velocity"]]).to_netcdf(raw)
    assert planned_jobs(tmp_path, target) == {"cache": 1}
