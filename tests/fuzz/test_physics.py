"""Physical models with impossible parameters and states: errors that name them, never a crash."""

import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from hybrid_pde.config.discovery import built_in_equations
from hybrid_pde.config.schema import SCHEME_ORDERS
from tests.fuzz import pool

PROGRAM = "tests.fuzz.physics_worker"
SCHEMES = [name for name in SCHEME_ORDERS if name != "auto"]
# equation, scheme, number of axes: with advection
SAMPLE = (("BurgersPDE", "semi_lagrangian", 2), ("BurgersPDE", "mac_cormack", 1))
ALL = tuple(itertools.product(built_in_equations(), SCHEMES, (1, 2)))


@pytest.mark.parametrize(
    "combinations", [SAMPLE, pytest.param(ALL, marks=pytest.mark.nightly)], ids=["sample", "all"]
)
def test_impossible_parameters_and_states_never_crash_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, combinations: Sequence[tuple[str, str, int]]
) -> None:
    # thousands of time steps and their derivatives take minutes
    monkeypatch.setattr(pool, "LIMIT_S", 900)
    cases = [
        {"equation": equation, "scheme": scheme, "dims": dims}
        for equation, scheme, dims in combinations
    ]
    results = list(pool.run_cases(cases, tmp_path, program=PROGRAM))
    wrong = [
        f"{case}: {result}"
        for case, result in results
        if result["outcome"] not in ("read", "refused")
    ]
    assert wrong == []
    counts = [json.loads(result["detail"]) for _, result in results if result["outcome"] == "read"]
    assert sum(each["refused"] for each in counts) > 0
    assert sum(each["finite"] for each in counts) > 0
