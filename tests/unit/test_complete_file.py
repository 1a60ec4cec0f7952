"""The experiment file that is written with the results, and repeats them."""

from pathlib import Path

import pytest

from hybrid_pde import __version__
from hybrid_pde.config import load_experiment, parse_experiment
from hybrid_pde.config.complete_file import complete_text
from hybrid_pde.stages.report import write_experiment_file
from hybrid_pde.workflow.stage_settings import stage_settings
from tests.workflow.tiny import ROOT

SHIPPED = sorted(set((ROOT / "config").glob("*.yaml")) - {ROOT / "config" / "config.yaml"})


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_it_has_the_settings_of_the_file_it_comes_from(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    given = parse_experiment(load_experiment(path))
    copy = tmp_path / "copy.yaml"
    write_experiment_file(copy, given)
    again = parse_experiment(load_experiment(copy))
    assert again == given
    assert stage_settings(again, "report") == stage_settings(given, "report")


def test_what_the_command_line_sets_is_in_it_and_what_changes_no_result_is_not(
    tmp_path: Path,
) -> None:
    overrides = ["trainer_params.gradient_clip=null", "run_params.seed=7", "reuse=burgers_2d"]
    overrides += ["run_params.experiment_name=other", "workflow.sims_per_job=3"]
    given = parse_experiment(load_experiment(ROOT / "config/burgers_2d.yaml", overrides))
    path = tmp_path / "a.yaml"
    path.write_text(complete_text(given, "x"))
    again = parse_experiment(load_experiment(path))
    assert again.run_params == given.run_params and again.run_params.seed == 7
    assert again.trainer_params.synthetic.gradient_clip is None
    assert again.reuse is None and "sims_per_job" not in path.read_text()
    assert again.data == given.data and again.trainer_params == given.trainer_params


def test_its_head_names_the_schema_the_version_and_the_command(tmp_path: Path) -> None:
    given = parse_experiment(load_experiment(ROOT / "config/burgers_2d.yaml"))
    write_experiment_file(tmp_path / "experiment.yaml", given)
    head = (tmp_path / "experiment.yaml").read_text().splitlines()[:5]
    assert head[0] == "# yaml-language-server: $schema=experiment.schema.json"
    assert f"hybrid-pde {__version__}" in head[1]
    assert head[3].endswith("--config experiment=results/burgers_2d/experiment.yaml")
    assert [each.name for each in tmp_path.iterdir()] == ["experiment.yaml"]
