"""Consistency of the page on augmentation with the code."""

from typing import get_args

import yaml

from hybrid_pde.config import parse_experiment
from hybrid_pde.config.discovery import built_in_equations
from hybrid_pde.config.equations import EquationSpec
from hybrid_pde.config.schema import (
    AugmentationParams,
    GivenStates,
    PerturbedField,
    ResemblingField,
)
from tests.docs.pages import DOCS, blocks, codes, rows

PAGE = DOCS / "augmentation.md"


def test_table_of_symmetries_agrees_with_the_equations() -> None:
    table = {codes(row[0])[0]: set(codes(row[1])) for row in rows(PAGE, "Equation")}
    assert table == {
        name: set(spec.symmetries.names) for name, spec in built_in_equations().items()
    }


def test_tables_list_every_choice() -> None:
    annotation = AugmentationParams.model_fields["symmetries"].annotation
    known = get_args(get_args(annotation)[0])
    assert [codes(row[0])[0] for row in rows(PAGE, "`symmetries`")] == list(known)
    types = {codes(row[0])[0] for row in rows(PAGE, "`initial_condition.type`")}
    given = {kind.model_fields["type"].default for kind in (PerturbedField, ResemblingField)}
    assert types == given | {GivenStates.model_fields["type"].default, "gaussian_random_field"}


def test_example_is_an_experiment() -> None:
    (example,) = blocks(PAGE, "yaml")
    augmentation = parse_experiment(yaml.safe_load(example)).augmentation
    assert isinstance(augmentation.initial_condition, PerturbedField)
    assert augmentation.max_disk_mb == 2000


def test_symmetries_of_a_user_equation_run() -> None:
    (code,) = blocks(PAGE, "python")
    names: dict[str, EquationSpec] = {}
    exec(code, names)
    assert names["spec"].symmetries.names == built_in_equations()["BurgersPDE"].symmetries.names
