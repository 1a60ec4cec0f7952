"""Names of experiments, fields and folders: what is allowed, and that the docs say the same."""

from pathlib import Path

import pytest

from hybrid_pde.config import load_experiment
from hybrid_pde.config.safe_names import (
    FILE_SIGNS,
    MAX_BYTES,
    OWN_FOLDER_SIGNS,
    SIGNS,
    allowed,
    path_problem,
)
from hybrid_pde.errors import ConfigError
from hybrid_pde.evaluation.figures.style import save_figure
from hybrid_pde.evaluation.figures.training_figures import plot_calibration
from tests.conftest import ROOT
from tests.workflow.tiny import tiny_experiment, write_experiment

QUOTED = set('$`"\\\n\r\t\0')  # do something in a shell within double quotes
UNQUOTED = set("';|<>*?!#[]^")  # only if a layer forgot its quotes
SNAKEMAKE = set("{}")


def test_allowed_signs_do_nothing_in_shells_and_patterns() -> None:
    assert not (QUOTED | UNQUOTED | SNAKEMAKE) & set(FILE_SIGNS)
    assert not (QUOTED | SNAKEMAKE | set("%")) & set(OWN_FOLDER_SIGNS)
    assert set(FILE_SIGNS) - set(SIGNS) == {",", "%"}


@pytest.mark.parametrize("page", ["docs/data.md", "docs/safety.md"])
def test_the_pages_state_the_allowed_characters(page: str) -> None:
    text = " ".join((ROOT / page).read_text(encoding="utf-8").replace("`", "").split())
    assert f"{allowed()}, in names of files also % ,; at most {MAX_BYTES} bytes" in text


ORDINARY = (
    "/data/Übung é/run (1)",
    "wrfout_d01_2020-01-01_00:00:00.nc",
    "u=1,v=2%.nc",
    "../か\u3099/हिन्दी",
)


@pytest.mark.parametrize("path", ORDINARY)
def test_ordinary_paths_are_allowed(path: str) -> None:
    assert path_problem(path, file_signs=FILE_SIGNS) is None


@pytest.mark.parametrize("path", ["-a/b", "@a/b", "~a/b", "a/-b", "a\ud800", "x/" * 600])
def test_paths_that_a_command_would_interpret_are_not_allowed(path: str) -> None:
    assert path_problem(path, file_signs=FILE_SIGNS) is not None


FIELDS = ("a/b", "{u}", " u ", "a$^$b", "n" * 300, "a\x07", "a\nb", "__metadata__", ".u", "(u)", "")


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_name_that_fails_in_a_later_stage_is_rejected(tmp_path: Path, name: str) -> None:
    data = tiny_experiment()["data"] | {"fields": [name]}
    path = write_experiment(tmp_path / "a.yaml", data=data)
    with pytest.raises(ConfigError, match=r"a\.yaml: data\.fields\[0\]: .*data\.variables"):
        load_experiment(path)


def test_names_of_parameters_and_channels_are_checked_like_those_of_fields(tmp_path: Path) -> None:
    content = tiny_experiment()
    content["data"]["known_parameters"] = {"a/b": "nu"}
    content["model"]["synthetic"]["input_specs"]["{u}"] = 1
    content["trainer_params"]["physical"]["learnable_parameters"][0]["name"] = "../viscosity"
    path = write_experiment(tmp_path / "a.yaml", **content)
    with pytest.raises(ConfigError) as error:
        load_experiment(path)
    for key in ("data.known_parameters.a/b", "input_specs.{u}", "learnable_parameters[0].name"):
        assert f"{key}: " in str(error.value)


@pytest.mark.parametrize("name", ["synthetic_model.pt", "logs", "benchmarks", "e" * 300])
def test_an_experiment_cannot_have_the_name_of_a_result(tmp_path: Path, name: str) -> None:
    path = write_experiment(tmp_path / "a.yaml", run_params={"experiment_name": name})
    with pytest.raises(
        ConfigError, match=r"a\.yaml: run_params\.experiment_name: .*set another name"
    ):
        load_experiment(path)


def test_a_unit_is_not_read_as_a_formula(tmp_path: Path) -> None:
    parameters = {"k$_{$": {"value": 1.0, "std": 0.1, "unit": r"m$\frac{$", "determined": True}}
    history = {"iteration": [0.0, 1.0], "loss": [1.0, 0.1], "k$_{$": [0.5, 1.0]}
    figure = plot_calibration(history, parameters)
    save_figure(tmp_path / "a.png", figure)
    assert figure.axes[0].get_ylabel() == r"k\$ {\$  [m\$\frac{\$]"
    assert (tmp_path / "a.png").stat().st_size > 0
