"""Keys in messages as the user has written them."""

from pathlib import Path

import pytest
import yaml

from hybrid_pde.config import load_experiment
from hybrid_pde.config.written_keys import WrittenKeys
from hybrid_pde.data.cache.damage_report import damage_report
from hybrid_pde.errors import ConfigError
from tests.workflow.tiny import tiny_experiment


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A hybrid experiment that names a learnable parameter twice, in the section of its stage."""
    experiment = tiny_experiment()
    twice = {"name": "viscosity", "initial_guess": 0.02}
    experiment["trainer_params"]["physical"]["learnable_parameters"] = [twice, twice]
    file = tmp_path / "case.yaml"
    file.write_text(yaml.safe_dump(experiment))
    return file


def test_a_key_is_named_with_the_section_that_it_is_written_in(path: Path) -> None:
    nested = "trainer_params.physical.learnable_parameters[1].name: 'viscosity': given twice"
    with pytest.raises(ConfigError) as error:
        load_experiment(path)
    assert f"{path}: {nested}" in str(error.value)
    text = path.read_text().replace("model_type: hybrid", "model_type: physical")
    content = yaml.safe_load(text)
    training = content["trainer_params"]
    training |= training.pop("physical")
    del training["synthetic"], content["model"]["synthetic"], content["augmentation"]
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError, match=r"yaml: trainer_params\.learnable_parameters\[1\]\.name"):
        load_experiment(path)


def test_values_of_the_schema_are_named_flat_where_they_are_written_flat() -> None:
    raw = {"trainer_params": {"epochs": "many", "physical": {"starts": 0}}}
    keys = WrittenKeys(raw, (), "case.yaml")
    assert keys.message("case.yaml: trainer_params.synthetic.epochs: 'many': no integer") == (
        "case.yaml: trainer_params.epochs: 'many': no integer"
    )
    assert "trainer_params.physical.starts: 0" in keys.message("trainer_params.starts: 0")


def test_an_override_is_blamed_on_the_command_line(path: Path) -> None:
    overrides = ["evaluation_params.num_stepz=3", "augmentation.alpha=0.1"]
    with pytest.raises(ConfigError) as error:
        load_experiment(path, overrides)
    start = f"command line (over {path}): evaluation_params.num_stepz: the key"
    assert str(error.value).startswith(start)
    with pytest.raises(ConfigError) as error:
        load_experiment(path, overrides[1:])
    assert str(error.value).startswith(f"{path}: "), "the mistake is in the file"


def test_files_with_the_same_fault_are_reported_once() -> None:
    files = [Path(f"raw/{name}.nc") for name in "abcdef"]
    errors = {path: f"{path}: data.fields: no variable 'w'" for path in files[:5]}
    errors[files[5]] = "raw/f.nc: damaged"
    assert damage_report(errors).splitlines() == [
        "raw/a.nc: data.fields: no variable 'w' (the same in 4 more files: b.nc, c.nc, d.nc, …)",
        "raw/f.nc: damaged",
    ]
