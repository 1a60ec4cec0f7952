"""Generated parts of the documentation are up to date."""

import ast

import pytest

from docs.write_reference import (
    DOCS,
    STAGES,
    reference,
    rule_outputs,
    sections,
    stage_section,
    workflow_page,
)
from hybrid_pde.config.json_schema import FILE_NAME, experiment_schema_text
from hybrid_pde.config.loading import keys_by_section
from tests.conftest import ROOT
from tests.docs.pages import codes, rows
from tests.workflow.test_rerun import CHANGES

REMEDY = "run: python docs/write_reference.py"


def test_reference_agrees_with_the_schema() -> None:
    assert (DOCS / "reference.md").read_text(encoding="utf-8") == reference(), REMEDY


def test_workflow_page_agrees_with_the_rules() -> None:
    assert (DOCS / "workflow.md").read_text(encoding="utf-8") == workflow_page(), REMEDY


def test_every_key_is_in_the_reference() -> None:
    listed = {section: set(keys) for section, keys in sections().items()}
    everywhere = {key for keys in listed.values() for key in keys}
    for section, keys in keys_by_section().items():
        nested = {key for key in keys if f"{section}.{key}".lstrip(".") in listed}
        assert set(keys) - nested <= everywhere, section
    assert {"trainer_params.physical.learnable_parameters", "data.select"} <= set(listed)


def test_every_key_has_a_meaning() -> None:
    for section, keys in sections().items():
        for key, (_, _, meaning) in keys.items():
            assert meaning, f"{section}.{key}: write a docstring below it in the schema"


def test_published_schema_is_current() -> None:
    published = ROOT / "config" / FILE_NAME
    assert published.read_text(encoding="utf-8") == experiment_schema_text(), REMEDY


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_described_by_the_docstring_of_its_program(stage: str) -> None:
    program = (ROOT / "workflow/scripts" / f"{stage}.py").read_text(encoding="utf-8")
    text = ast.get_docstring(ast.parse(program))
    assert text is not None
    assert f"### {stage}\n\n{text}\n" in (DOCS / "workflow.md").read_text(encoding="utf-8")
    assert rule_outputs((ROOT / "workflow/rules" / f"{stage}.smk").read_text(encoding="utf-8"))
    assert "Asks for" in stage_section(stage)


def test_every_program_is_a_stage_of_the_page() -> None:
    programs = {path.stem for path in (ROOT / "workflow/scripts").glob("[a-z]*.py")}
    assert programs == set(STAGES)


def test_rerun_table_agrees_with_dry_runs() -> None:
    table = {
        (codes(change) or [change])[0]: set(codes(reruns))
        for change, reruns in rows(DOCS / "workflow.md", "Changed")
    }
    assert table == {change: expected for change, (_, expected) in CHANGES.items()}
