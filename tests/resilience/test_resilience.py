"""A small sample of the interruptions that ``python -m tests.resilience`` makes by the hundred."""

import shutil
from copy import deepcopy

import pytest

from tests.resilience import faults
from tests.resilience.campaign import Campaign
from tests.resilience.experiment import NAME, interrupted_experiment
from tests.resilience.outcomes import Outcome
from tests.resilience.project import Project
from tests.resilience.small_disk import small_disk, unavailable_reason

NIGHTLY_RUNS = 5  # of each kind; a run takes half a minute, most of it for imports
MODEL = f"results/{NAME}/synthetic_model.pt"
CALIBRATED = f"results/{NAME}/physical/parameters.yaml"
EXPERIMENT = interrupted_experiment(epochs=12)


@pytest.fixture(scope="module")
def kills(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """Kills of the pipeline, compared with an uninterrupted run."""
    root = tmp_path_factory.mktemp("resilience")
    project = Project(root / "project", target=MODEL)
    return Campaign("kill", faults.killed, EXPERIMENT, project, root / "kill")


@pytest.fixture(scope="module")
def short_kills(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """Kills of the first three stages, which take a few seconds."""
    root = tmp_path_factory.mktemp("short_resilience")
    project = Project(root / "project", target=CALIBRATED)
    experiment = deepcopy(EXPERIMENT)
    experiment["generation_params"]["steps"] = 8
    return Campaign("kill", faults.killed, experiment, project, root / "kill")


def assert_good(outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        assert outcome.code == 0, outcome
        assert outcome.differing == [], outcome
        assert outcome.alive == 0, outcome
        assert outcome.struck, outcome


def test_a_killed_calibration_has_the_results_of_an_uninterrupted_one(
    short_kills: Campaign,
) -> None:
    outcomes = short_kills.run(1, workers=1)
    assert len(outcomes) == 1
    assert_good(outcomes)
    reference = short_kills.reference()
    assert (reference.epochs, reference.simulations) == (0, 10 + 10)
    assert CALIBRATED in reference.digests
    for outcome in outcomes:
        assert outcome.simulations_begun <= 5 * len(outcome.struck), "a kill costs one group"


@pytest.mark.nightly
def test_killed_runs_have_the_results_of_an_uninterrupted_one(kills: Campaign) -> None:
    outcomes = kills.run(NIGHTLY_RUNS, workers=1)
    assert len(outcomes) == NIGHTLY_RUNS
    assert_good(outcomes)
    reference = kills.reference()
    assert reference.epochs == EXPERIMENT["trainer_params"]["synthetic"]["epochs"]
    assert reference.simulations == 10 + 10 + 15
    assert MODEL in reference.digests
    for outcome in outcomes:
        assert 0 <= outcome.epochs_twice <= outcome.epochs_begun
        assert outcome.simulations_begun <= 5 * len(outcome.struck), "a kill costs one group"


@pytest.mark.nightly
@pytest.mark.skipif(unavailable_reason() is not None, reason=str(unavailable_reason()))
def test_run_on_a_full_disk_resumes_when_there_is_space(kills: Campaign) -> None:
    directory = kills.directory.with_name("full_disk")
    if (kills.directory / "reference.json").exists():
        directory.mkdir()
        shutil.copy2(kills.directory / "reference.json", directory)
    full = Campaign("full_disk", faults.disk_full, EXPERIMENT, kills.project, directory, small_disk)
    assert_good(full.run(NIGHTLY_RUNS, workers=1))
