"""A model that is asked for the impossible refuses by name; it never ends the process."""

import itertools
import json
import os
from pathlib import Path

import pytest

from hybrid_pde.config.discovery import built_in_equations
from hybrid_pde.config.schema import SCHEME_ORDERS
from tests.fuzz import pool

PROGRAM = "tests.fuzz.physics_worker"
SCHEMES = [name for name in SCHEME_ORDERS if name != "auto"]
# with FUZZ_CASES of 10 000 or more all of them, else those in which a velocity moves something
IS_NIGHTLY = int(os.environ.get("FUZZ_CASES", "0")) >= 10_000
CARRIED = ("BurgersPDE",)


def test_impossible_parameters_and_states_never_end_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # thousands of time steps and their derivatives take minutes
    monkeypatch.setattr(pool, "LIMIT_S", 900)
    equations = list(built_in_equations()) if IS_NIGHTLY else CARRIED
    schemes = SCHEMES if IS_NIGHTLY else ["semi_lagrangian", "mac_cormack"]
    cases = [
        {"equation": equation, "scheme": scheme, "dims": dims}
        for equation, scheme, dims in itertools.product(equations, schemes, (1, 2))
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
