"""``hybrid-pde sweep``: files of all combinations, and what they share."""

from pathlib import Path

import pytest
import yaml

from hybrid_pde.command_line import app
from hybrid_pde.command_line.sweeping.combinations import combinations
from hybrid_pde.config import load_experiment
from hybrid_pde.errors import ConfigError
from hybrid_pde.workflow.requested_experiments import RequestedExperiments
from tests.workflow.tiny import write_experiment

BASE = "config/burgers_2d.yaml"
RATES = "trainer_params.synthetic.learning_rate=1e-3,2e-3,5e-3"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_experiment(tmp_path / BASE)
    return tmp_path / "config"


def written(*assignments) -> list[Path]:
    assert app.run(["sweep", "burgers_2d", *assignments]) == app.DONE
    return sorted(path for path in Path("config").glob("*.yaml") if path != Path(BASE))


def test_combinations_of_values_with_commas_in_brackets():
    found = combinations(["a.b=1,[2,3]", "c={d: 1, e: 2}, 'x,y'"])
    assert found == [
        ["a.b=1", "c={d: 1, e: 2}"],
        ["a.b=1", "c='x,y'"],
        ["a.b=[2,3]", "c={d: 1, e: 2}"],
        ["a.b=[2,3]", "c='x,y'"],
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [("a", "must have the form"), ("a=1,", "must have the form"), ("a=1,1", "comes twice")],
)
def test_assignments_of_another_form(text, message):
    with pytest.raises(ConfigError, match=message):
        combinations([text])


def test_two_architectures_and_three_rates_share_one_calibration(capsys):
    options = "model.synthetic.architecture={hidden_channels: 4}"  # all have it
    files = written("model.synthetic.name=ResNet,ConvNet", RATES, options)
    assert len(files) == 6
    shown = capsys.readouterr().out
    (call,) = [line for line in shown.splitlines() if line.startswith("run:")]
    assert call.startswith("run:     snakemake ") and "--cores 2 results/burgers_2d-" in call
    assert call.count("/report.html") == 6
    values = {
        (each["model"]["synthetic"]["name"], each["trainer_params"]["synthetic"]["learning_rate"])
        for each in map(load_experiment, files)
    }
    assert values == {(name, rate) for name in ("ResNet", "ConvNet") for rate in (1e-3, 2e-3, 5e-3)}
    for file in files:
        plan = RequestedExperiments({"experiment": str(file)}, claim=False).default
        assert plan.name == file.stem
        assert plan.reused is not None and plan.reused.name == "burgers_2d"


def test_file_is_the_experiment_with_the_overrides():
    # the file has it in a section; given flat, it is that of both stages
    files = written("trainer_params.epochs=5,7")
    for file, epochs in zip(files, (5, 7), strict=True):
        own = load_experiment(file)
        name = f"run_params.experiment_name=burgers_2d-epochs-{epochs}"
        assert own == load_experiment(BASE, [f"trainer_params.epochs={epochs}", name])


@pytest.mark.parametrize(
    "assignment",
    [
        "trainer_params.physical.starts=1,2",
        "run_params.seed=0,1",
        "augmentation.num_simulations=3,4",
    ],
)
def test_other_calibrations_or_generated_data_are_not_reused(assignment):
    shared, own = written(assignment)
    assert load_experiment(shared)["reuse"] == "burgers_2d"  # its value is that of the file
    assert load_experiment(own)["reuse"] is None
    RequestedExperiments({"experiment": str(own)}, claim=False)


def test_sweep_of_an_experiment_that_reuses_another_one():
    (first,) = written("trainer_params.synthetic.epochs=5")
    assert app.run(["sweep", first.stem, "augmentation.alpha=0.3"]) == app.DONE
    (second,) = Path("config").glob("*alpha*.yaml")
    assert load_experiment(second)["reuse"] == "burgers_2d"


def test_invalid_values_are_all_named_and_nothing_is_written(capsys):
    assert app.run(["sweep", "burgers_2d", "trainer_params.epochs=5,0,-1"]) == app.MENDABLE
    error = capsys.readouterr().err
    assert error.count("trainer_params.epochs=") == 2 and "greater than 0" in error
    assert list(Path("config").glob("*.yaml")) == [Path(BASE)]


def test_same_call_again_is_fine_and_a_changed_file_is_not_overwritten(capsys):
    (file,) = written("trainer_params.epochs=5")
    assert written("trainer_params.epochs=5") == [file]
    file.write_text(yaml.safe_dump({}))
    assert app.run(["sweep", "burgers_2d", "trainer_params.epochs=5"]) == app.MENDABLE
    assert f"{file}: exists with another content" in capsys.readouterr().err
