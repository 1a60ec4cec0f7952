"""A few of the interruptions that ``python -m tests.resilience`` makes by the hundred."""

import shutil

import pytest

from tests.resilience import faults
from tests.resilience.campaign import Campaign
from tests.resilience.experiment import NAME, interrupted_experiment
from tests.resilience.outcomes import Outcome
from tests.resilience.project import Project
from tests.resilience.small_disk import reason_for_none, small_disk

RUNS = 1  # of each kind; a run takes half a minute, most of it for imports
MODEL = f"results/{NAME}/synthetic_model.pt"
EXPERIMENT = interrupted_experiment(epochs=12)


@pytest.fixture(scope="module")
def kills(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """Kills of the pipeline, compared with an uninterrupted run."""
    root = tmp_path_factory.mktemp("resilience")
    project = Project(root / "project", target=MODEL)
    return Campaign("kill", faults.killed, EXPERIMENT, project, root / "kill")


def assert_good(outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        assert outcome.code == 0, outcome
        assert outcome.differing == [], outcome
        assert outcome.alive == 0, outcome
        assert outcome.struck, outcome


def test_killed_runs_end_with_the_results_of_an_uninterrupted_one(kills: Campaign) -> None:
    outcomes = kills.run(RUNS, workers=1)
    assert len(outcomes) == RUNS
    assert_good(outcomes)
    reference = kills.reference()
    assert reference.epochs == EXPERIMENT["trainer_params"]["synthetic"]["epochs"]
    assert reference.simulations == 10 + 10 + 15
    assert MODEL in reference.digests
    for outcome in outcomes:
        assert 0 <= outcome.epochs_twice <= outcome.epochs_begun
        assert outcome.simulations_begun <= 5 * len(outcome.struck), "a kill costs one group"


@pytest.mark.skipif(reason_for_none() is not None, reason=str(reason_for_none()))
def test_run_on_a_full_disk_goes_on_when_there_is_space_again(kills: Campaign) -> None:
    directory = kills.directory.with_name("full_disk")
    if (kills.directory / "reference.json").exists():
        directory.mkdir()
        shutil.copy2(kills.directory / "reference.json", directory)
    full = Campaign("full_disk", faults.disk_full, EXPERIMENT, kills.project, directory, small_disk)
    assert_good(full.run(RUNS, workers=1))
