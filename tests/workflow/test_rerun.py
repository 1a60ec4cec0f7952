"""What re-runs when: each row of the table in ``docs/workflow.md``, by dry runs."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.workflow.conftest import EXPERIMENT
from tests.workflow.snakemake_run import TARGET, planned_jobs

LAST = {"evaluate", "report", "synthetic_model"}
SHOWN = {"report", "synthetic_model"}
CALIBRATED = {"train_physical", "augment", "train_synthetic", *LAST}
CHANGES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "nothing": ({}, set()),
    "workflow.sims_per_job": ({"workflow": {"sims_per_job": 2}}, set()),
    "workflow.checkpoint_every_s": ({"workflow": {"checkpoint_every_s": 5}}, set()),
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
    """The experiment with the changes, sections merged."""
    result = dict(experiment)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_setting_reruns_what_uses_it(copy_of_finished: Path, change: str) -> None:
    changes, expected = CHANGES[change]
    path = copy_of_finished / EXPERIMENT
    experiment = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(merged(experiment, changes)))
    assert set(planned_jobs(copy_of_finished)) == expected


def test_another_name_of_the_same_experiment_shares_raw_files_and_cache(
    copy_of_finished: Path,
) -> None:
    experiment = yaml.safe_load((copy_of_finished / EXPERIMENT).read_text())
    experiment["run_params"]["experiment_name"] = "other"
    experiment["trainer_params"]["synthetic"]["epochs"] = 2
    (copy_of_finished / "config/other.yaml").write_text(yaml.safe_dump(experiment))
    jobs = planned_jobs(copy_of_finished, "results/other/synthetic_model.pt")
    assert set(jobs) == {"train_physical", "augment", "train_synthetic"}


def test_two_experiments_side_by_side_make_the_shared_cache_once(
    tmp_path: Path, finished: Path
) -> None:
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


def test_experiments_that_read_the_same_files_differently_have_caches_of_their_own(
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


def test_an_experiment_anywhere_can_be_the_default(tmp_path: Path, finished: Path) -> None:
    elsewhere = tmp_path / "somewhere else" / "mine.yaml"
    elsewhere.parent.mkdir()
    experiment = yaml.safe_load((finished / EXPERIMENT).read_text())
    del experiment["run_params"]["experiment_name"]
    elsewhere.write_text(yaml.safe_dump(experiment))
    jobs = planned_jobs(
        tmp_path, TARGET, "results/mine/report.html", "--config", f"experiment={elsewhere}"
    )
    assert jobs["synthetic_model"] == jobs["report"] == 1
