"""``hybrid-pde check``: all errors at once, or what will be computed."""

import pytest
import yaml

from hybrid_pde.command_line import app
from hybrid_pde.command_line.checking.estimate import work_of
from hybrid_pde.data.cache.announcements import ASSUMED_PERIODIC
from hybrid_pde.workflow.plan import Plan
from tests.unit.raw_files import write_simple


@pytest.fixture
def content(tmp_path, monkeypatch) -> dict:
    """A valid experiment on five small simulations."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "raw").mkdir(parents=True)
    for number in range(5):
        write_simple(tmp_path / "data" / "raw" / f"{number}.nc", points=16, shift=number)
    learned = [{"name": "viscosity", "initial_guess": 0.1}]
    synthetic = {"name": "UNet", "input_specs": {"u": 1}, "output_specs": {"u": 1}}
    return {
        "data": {"dset_name": "raw", "fields": ["u"], "boundary": "periodic"},
        "model": {"physical": {"name": "BurgersPDE"}, "synthetic": synthetic},
        "trainer_params": {
            "train_sim": [0, 1],
            "test_sim": [3],
            "num_predict_steps": 2,
            "physical": {"learnable_parameters": learned},
        },
    }


def checked(content, capsys) -> tuple[int, str]:
    with open("a.yaml", "w") as file:
        yaml.safe_dump(content, file)
    code = app.run(["check", "a.yaml"])
    shown = capsys.readouterr()
    return code, shown.out + shown.err


def test_errors_of_all_kinds_at_once(content, capsys):
    content["run_params"] = {"sed": 0}  # an unknown key
    content["trainer_params"]["batch_size"] = -1  # a value of the schema
    content["trainer_params"]["physical"]["learnable_parameters"][0]["name"] = "viscosty"
    content["trainer_params"]["test_sim"] = [1]  # in two splits
    content["trainer_params"]["val_sim"] = [9]  # not in the data
    code, text = checked(content, capsys)
    assert code == app.MENDABLE
    for part in (
        "a.yaml: run_params.sed: the key 'sed' is unknown; did you mean 'seed'?",
        "a.yaml: trainer_params.batch_size: -1:",
        "learnable_parameters[0].name: not a parameter of BurgersPDE: 'viscosty'",
        "trainer_params.test_sim: [1]: also in trainer_params.train_sim",
        "trainer_params.val_sim: [9]",
    ):
        assert text.count(part) == 1, text


def test_key_without_a_default_is_not_followed_by_other_errors_of_it(content, capsys):
    del content["model"]["physical"]["name"]
    code, text = checked(content, capsys)
    assert code == app.MENDABLE
    assert text.splitlines() == [
        "hybrid-pde: a.yaml: one error",
        "a.yaml: model.physical.name: missing; it has no default",
    ]


@pytest.mark.parametrize("learned", [None, [{"name": "viscosty", "initial_guess": 0.1}]])
def test_no_list_of_parameters_or_a_misspelt_one_is_one_error(learned, content, capsys):
    content["trainer_params"]["physical"] = {"learnable_parameters": learned} if learned else {}
    code, text = checked(content, capsys)
    assert code == app.MENDABLE
    assert len(text.splitlines()) == 2, text
    assert "learnable_parameters" in text


def test_file_that_is_no_yaml_and_one_that_is_absent(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text("data: [")
    assert app.run(["check", "a.yaml"]) == app.MENDABLE
    shown = capsys.readouterr().err
    assert "a.yaml: not a YAML file" in shown and 'in "the file", line 1' in shown
    assert app.run(["check", "burgers_3d"]) == app.MENDABLE
    assert "burgers_3d" in capsys.readouterr().err


def test_valid_experiment_shows_its_stages(content, capsys):
    code, text = checked(content, capsys)
    assert code == app.DONE, text
    for part in (
        "a.yaml: no errors",
        "3 of 5 simulations, 15 frames",
        "viscosity of BurgersPDE from 2 simulations",
        "64 generated simulations of 5 frames",
        "rollouts of 1 test simulation(s)",
        "2 simulation(s) are in no split",
        "--cores 2 --config experiment=a.yaml",
    ):
        assert part in text
    assert ASSUMED_PERIODIC not in text


def test_values_of_each_simulation_are_a_stage_of_their_own(content, capsys, tmp_path):
    learned = content["trainer_params"]["physical"]["learnable_parameters"]
    learned[0]["per_simulation"] = True
    learned.append({"name": "advection", "initial_guess": 0.9})
    content["run_params"] = {"model_type": "physical"}
    checked(content, capsys)
    (each,) = [w for w in work_of(Plan(tmp_path / "a.yaml", claim=False)) if w.stage == "calibrate"]
    assert each.content == (
        "viscosity of BurgersPDE for each of 3 simulations, and advection for all"
    )
    assert each.seconds > 3 * 5


def test_a_boundary_that_is_assumed_is_said(content, capsys):
    del content["data"]["boundary"]
    code, text = checked(content, capsys)
    assert code == app.DONE
    assert ASSUMED_PERIODIC in text


def test_bytes_of_the_cache_and_of_generated_simulations(content, capsys, tmp_path):
    checked(content, capsys)
    work = {each.stage: each for each in work_of(Plan(tmp_path / "a.yaml", claim=False))}
    assert [*work] == ["cache", "train_physical", "augment", "train_synthetic", "evaluate"]
    assert work["cache"].disk == 3 * 5 * 16 * 4
    assert work["augment"].disk == 64 * 5 * 16 * 4
    assert all(each.seconds > 0 for each in work.values())
