"""Files with the settings of stages: of any size, named by their content, whole or absent."""

import json
from pathlib import Path

import pytest

from hybrid_pde.config import parse_experiment
from hybrid_pde.errors import ConfigError, StorageError
from hybrid_pde.workflow.folder_checks import check_folder
from hybrid_pde.workflow.requested_experiments import RequestedExperiments
from hybrid_pde.workflow.settings_file import DIRECTORY, read_settings, settings_file
from hybrid_pde.workflow.stage_settings import stage_settings
from tests.workflow.tiny import tiny_experiment, write_experiment
from workflow.scripts import train_physical

LONGEST_ARGUMENT = 128 * 1024  # bytes, on Linux


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_settings_of_any_size_fit_a_command_line(folder: Path) -> None:
    content = tiny_experiment()
    content["trainer_params"]["train_sim"] = [*range(4, 24_004)]
    settings = stage_settings(parse_experiment(content), "train_physical")
    assert len(settings.encode()) > LONGEST_ARGUMENT
    file = settings_file("train_physical", settings, write=False)
    assert not DIRECTORY.exists()
    assert settings_file("train_physical", settings, write=True) == file
    assert len(file) < 100
    program = train_physical.parser()
    options = ("--code", "--cache", "--parameters", "--history", "--checkpoints")
    words = [word for option in options for word in (option, "x")]
    given = program.parse_args(["--settings", file, *words])
    assert given.settings == json.loads(settings)


def test_the_name_changes_with_the_content_and_a_damaged_file_is_replaced(folder: Path) -> None:
    one, other = (settings_file("cache", text, write=True) for text in ('{"a":1}', '{"a":2}'))
    assert one != other and one.startswith(".snakemake/stage_settings/cache_")
    Path(one).write_text('{"a"')
    with pytest.raises(ConfigError, match="not a JSON file"):
        read_settings(Path(one))
    assert settings_file("cache", '{"a":1}', write=True) == one
    assert read_settings(Path(one)) == {"a": 1}
    assert len([*DIRECTORY.iterdir()]) == 2, "no temporary files"


RESULTS, RAW = "results/burgers_2d", "data/burgers_2d"


@pytest.mark.parametrize(
    "path",
    [
        *("results", RESULTS, f"{RESULTS}/checkpoints", f"{RESULTS}/logs", f"{RESULTS}/cycle_01"),
        *(RAW, f"{RAW}/benchmarks", str(DIRECTORY)),
    ],
)
def test_a_file_in_place_of_a_folder_is_reported_before_the_run(folder: Path, path: str) -> None:
    write_experiment(folder / "config/burgers_2d.yaml")
    plans = RequestedExperiments({}, claim=False)
    check_folder(folder, [], plans)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).touch()
    with pytest.raises(StorageError, match=f"{path}: a file or a broken link has the name of a"):
        check_folder(folder, [], plans)
