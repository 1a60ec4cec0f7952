"""The JSON schema of experiment files accepts and refuses what the loader does."""

import jsonschema
import pytest
import yaml

from hybrid_pde.config.json_schema import EDITOR_LINE, experiment_schema
from hybrid_pde.config.yaml_file import parse_yaml
from tests.conftest import ROOT
from tests.docs.pages import DOCS, blocks

SHIPPED = [path for path in sorted((ROOT / "config").glob("*.yaml")) if path.stem != "config"]


@pytest.fixture(scope="module")
def validator():
    schema = experiment_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_experiments_are_valid_and_name_the_schema(validator, path):
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"{EDITOR_LINE}\n"), f"begin {path} with: {EDITOR_LINE}"
    assert [error.message for error in validator.iter_errors(parse_yaml(text))] == []


@pytest.mark.parametrize("page", ["experiment", "surrogates", "training", "augmentation"])
def test_shown_experiments_are_valid(validator, page):
    shown = blocks(DOCS / f"{page}.md", "yaml")
    assert shown
    for block in shown:
        assert [error.message for error in validator.iter_errors(yaml.safe_load(block))] == []


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("{run_params: {sed: 1}}", "sed"),
        ("{trainer_params: {epochs: 0}}", "epochs"),
        ("{trainer_params: {starts: 0}}", "starts"),
        ("{trainer_params: {synthetic: {starts: 2}}}", "starts"),
        ("{model: {physical: {name: B, numerics: wenoo}}}", "numerics"),
        ("{model: {synthetic: {name: FNO, input_specs: {u: 1}, output_specs: {u: 1}, "
         "architecture: {depth: 2}}}}", "depth"),
        ("{data: {known_parameters: {viscosity: {from: filenam, pattern: a}}}}", "viscosity"),
    ],
)  # fmt: skip
def test_mistakes_are_marked_at_their_key(validator, written, key):
    (error,) = validator.iter_errors(parse_yaml(written))
    assert key in error.message or key in error.absolute_path


@pytest.mark.parametrize(
    "written",
    [
        "{model: {physical: {name: BurgersPDE, numerics: weno}}}",
        "{trainer_params: {epochs: 3, starts: 2, batch_size: null}}",
        "{model: {synthetic: {name: Mine, module: mine.py, input_specs: {u: 1}, "
        "output_specs: {u: 1}, architecture: {width: 2}}}}",
        "{model: {synthetic: {name: UNet, input_specs: {u: 1}, output_specs: {u: 1}, "
        "architecture: {depth: 2}}}}",
        "{data: {known_parameters: {velocity: [u, v], viscosity: nu}}}",
    ],
)
def test_every_form_that_is_read_is_valid(validator, written):
    assert list(validator.iter_errors(parse_yaml(written))) == []


def test_descriptions_are_text_for_an_editor():
    definitions = experiment_schema()["$defs"]
    described = definitions["SyntheticTraining"]["properties"]["epochs"]["description"]
    assert described.endswith("Default: the length is a budget of optimizer steps.")
    flat = definitions["TrainerParams"]["properties"]["epochs"]["description"]
    assert "Calibration: Number of minimizations" in flat and "Surrogate: Passes" in flat
