"""Interrupted calibrations resume from logged evaluations with bit-identical results."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hybrid_pde.errors import DivergenceError
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.numerics.array_program_library import library
from hybrid_pde.training.checkpoint_folder import CheckpointFolder
from hybrid_pde.training.physical import PhysicalTrainer, coarse_start
from hybrid_pde.training.physical.evaluation_log import EvaluationLog
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.observations import Observations
from hybrid_pde.training.physical.observed_fields import observed_fields
from tests.gradient.calibration_case import DT, TRUTH, learnable, trainer, windows
from tests.gradient.test_field_calibration import BUMP, GAUSSIANS, diffused, trainer_of
from tests.physics.periodic_box import physical_config

SPECTRAL = {"scheme": "spectral", "order": 4}
CASES: dict[str, dict[str, Any]] = {
    "gauss-newton": {"method": "gauss-newton"},
    "auto": {"method": "gauss-newton", "numerics": "auto", "check_discretization": True},
    "starts": {"method": "gauss-newton", "starts": 3},
    "estimated states": {
        "method": "gauss-newton", "initial_state": "estimate", "check_discretization": True,
    },
    "L-BFGS-B": {"method": "L-BFGS-B"},
    "adam": {"method": "adam", "learning_rate": 0.05},
}  # fmt: skip


class _EndedError(Exception):
    pass


class Counted(EvaluationLog):
    """An evaluation log that counts new evaluations and interrupts after ``last`` of them."""

    def __init__(self, folder: CheckpointFolder, last: int | None = None) -> None:
        super().__init__(folder)
        self.count, self._last = 0, last

    def evaluate(self, kind: str, z: np.ndarray, evaluate: Callable[[], Any]) -> Any:
        def counted() -> Any:
            if self.count == self._last:
                raise _EndedError
            self.count += 1
            return evaluate()

        return super().evaluate(kind, z, counted)


def as_json(result: dict[str, Any]) -> str:
    """The result as JSON, with every number to the last bit."""
    kept = {key: value for key, value in result.items() if key != "fields"}
    fields = {name: values.tolist() for name, values in result["fields"].items()}
    return json.dumps({**kept, "fields": fields}, default=str)


def run(
    make: Callable[[], PhysicalTrainer], data: Any, root: Path, last: int | None = None
) -> tuple[dict[str, Any], int]:
    calibration = make()
    with CheckpointFolder(root, {"case": 1}, every_s=0) as folder:
        calibration.log = Counted(folder, last)
        try:
            return calibration.train(data, 2), calibration.log.count
        finally:
            calibration.log.flush()


def assert_resumes(make: Callable[[], PhysicalTrainer], data: Any, root: Path) -> None:
    whole, count = run(make, data, root / "whole")
    assert count >= 4
    for done in (1, count // 2):
        with pytest.raises(_EndedError):
            run(make, data, root / "broken", done)
    # evaluations of two earlier processes are not repeated
    resumed, again = run(make, data, root / "broken")
    assert again == count - 1 - count // 2
    assert as_json(resumed) == as_json(whole)
    repeated, none = run(make, data, root / "whole")
    assert (as_json(repeated), none) == (as_json(whole), 0), "a finished run evaluates nothing"


# every method resumes by the same log, "auto" with several schemes
RARE = {"starts", "estimated states"}


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=pytest.mark.nightly) if case in RARE else case for case in CASES],
)
def test_resumed_calibration_is_bit_identical(tmp_path: Path, case: str) -> None:
    parameters = learnable("BurgersPDE", ["viscosity"])
    if case == "starts":
        parameters[0]["bounds"] = [1e-3, 1.0]
    data = windows("BurgersPDE")
    assert_resumes(lambda: trainer("BurgersPDE", parameters, **CASES[case]), data, tmp_path)


def test_calibration_on_a_coarse_grid_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coarse_start, "_COSTLY_SIZE", 0)
    monkeypatch.setattr(coarse_start, "_SMALLEST_NUM_POINTS", 10)
    assert_resumes(lambda: trainer_of(GAUSSIANS), diffused(BUMP), tmp_path)


@pytest.mark.skipif(library() is None, reason="needs a C++ compiler and MKL")
def test_a_logged_evaluation_says_that_its_steps_were_compiled(tmp_path: Path) -> None:
    parameters = learnable("BurgersPDE", ["viscosity"])
    config = physical_config("BurgersPDE", TRUTH["BurgersPDE"], parameters, SPECTRAL)
    config["workflow"] = {"compile": "always"}
    data = windows("BurgersPDE")
    for count in (1, 0):
        model = ModelRegistry(config).get_physical_model()
        guess = torch.tensor(parameters[0]["initial_guess"], dtype=torch.float64)
        vector = PhysicalTrainer(config, model, [guess]).vector
        observations = Observations(observed_fields(data, model.spec))
        with CheckpointFolder(tmp_path, {}, every_s=0) as folder:
            log = Counted(folder)
            Objective(model, observations, vector, DT, log=log).linearize(vector.read())
            log.flush()
        assert log.count == count
        assert model.has_compiled_steps


def test_a_divergence_is_logged(tmp_path: Path) -> None:
    def diverge() -> Any:
        raise DivergenceError("u is not finite")

    point = np.array([1.0])
    for _ in range(2):
        with CheckpointFolder(tmp_path, {}, every_s=0) as folder:
            log = Counted(folder)
            with pytest.raises(DivergenceError, match="u is not finite"):
                log.evaluate("loss", point, diverge)
            log.flush()
    assert log.count == 0


def test_evaluations_of_a_different_sequence_are_dropped(tmp_path: Path, caplog) -> None:
    for value in (1.0, 2.0, 2.0):
        with CheckpointFolder(tmp_path, {}, every_s=0) as folder:
            log = Counted(folder)
            found = log.evaluate("loss", np.array([value]), lambda value=value: {"loss": value})
            assert found == {"loss": value}
            log.flush()
    assert log.count == 1  # the second run dropped the log and added nothing
    assert "does not repeat itself" in caplog.text


@pytest.mark.parametrize("damage", ["first", "second"])
def test_evaluations_before_a_damaged_file_are_used(tmp_path: Path, damage: str) -> None:
    def evaluate_three() -> int:
        with CheckpointFolder(tmp_path, {}, every_s=0) as folder:
            log = Counted(folder)
            for value in range(3):
                found = log.evaluate("loss", np.array([value]), lambda value=value: {"loss": value})
                assert found == {"loss": value}
                log.flush()
            return log.count

    assert evaluate_three() == 3
    path = sorted(tmp_path.glob("*/*.pt"))[["first", "second"].index(damage)]
    path.write_bytes(path.read_bytes()[:-1])
    assert evaluate_three() == {"first": 3, "second": 2}[damage]
    assert evaluate_three() == 0
