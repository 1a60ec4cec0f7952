"""Parameters of each simulation: recovery, held-out simulations, failures, shared parameters."""

import json
import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hybrid_pde.config import Experiment, parse_experiment
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.simulation_table import read_table
from hybrid_pde.domain.known_values import KnownParameter
from hybrid_pde.errors import CalibrationError, ConfigError
from hybrid_pde.factories import TrainerFactory
from hybrid_pde.models.physical.parameters_file import load_parameters, read_parameters
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.result_warnings import ResultWarning, warn_of_result
from hybrid_pde.stages.calibrate import SimulationEstimates
from hybrid_pde.stages.pipeline import run_experiment
from hybrid_pde.stages.train_physical import CalibrationFiles, calibrate_simulations
from hybrid_pde.training.physical import PhysicalTrainer
from hybrid_pde.training.physical.per_simulation import FAILED, SimulationCalibrator
from hybrid_pde.training.physical.shared_parameters import JointCalibration
from hybrid_pde.training.physical.shared_uncertainty import shared_report
from hybrid_pde.training.physical.simulation_estimates import combined_result
from tests.physics.periodic_box import coordinates, periodic_grid
from tests.unit.raw_files import NAME, raw_path, write_file

GRID, DT, FRAMES = periodic_grid((20,), (1.3,)), 0.05, 13
DIFFUSIVITIES, SPEED = (0.01, 0.02, 0.005, 0.03), 0.4
FIXED = {"scheme": "finite_difference", "order": 4}
OWN = {"name": "diffusivity", "initial_guess": 0.012, "per_simulation": True}
SHARED = {"name": "velocity", "initial_guess": 0.3}


def experiment_of(learnable: Sequence[dict[str, Any]], **training: Any) -> Experiment:
    physical = {
        "name": "AdvectionDiffusionPDE",
        "numerics": FIXED,
        "pde_params": {"velocity": SPEED},
    }
    return parse_experiment(
        {
            "run_params": {"model_type": "physical"},
            "data": {"dset_name": "dye", "fields": ["u"], "known_parameters": {"diffusivity": "D"}},
            "model": {"physical": physical},
            "trainer_params": {
                "physical": {
                    "train_sim": [0, 1, 2],
                    "test_sim": [3],
                    "num_predict_steps": 6,
                    "learnable_parameters": list(learnable),
                    "check_discretization": False,
                    **training,
                }
            },
        }
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> CacheManager:
    """Solutions with another diffusivity each; their files state wrong values."""
    model = ModelRegistry(experiment_of([{**OWN, "per_simulation": False}])).get_physical_model()
    found = CacheManager(tmp_path_factory.mktemp("cache"))
    (x,) = coordinates(GRID)
    for index, diffusivity in enumerate(DIFFUSIVITIES):
        k = 2 * math.pi / 1.3
        start = (torch.sin(k * x + index) + 0.5 * torch.cos(2 * k * x)).reshape(1, 1, -1)
        values = {"diffusivity": torch.tensor(diffusivity, dtype=torch.float64)}
        frames = list(model.rollout(start, GRID, FRAMES - 1, DT, values))
        stated = KnownParameter("diffusivity", values=7.0 + index)
        fields = {"u": torch.cat([start, *frames])}
        found.write(index, fields, GRID, DT, {"file": f"{index}.nc"}, known=[stated])
    return found


def values_of(estimates: Sequence[dict[str, Any]], name: str = "diffusivity") -> list[float]:
    return [each["parameters"][name]["value"] for each in estimates]


def test_each_simulation_gets_its_own_value_whatever_its_file_states(store: CacheManager) -> None:
    calibrator = SimulationCalibrator(experiment_of([OWN]), store)
    calibrator.select_scheme()
    found = [calibrator.calibrate(index) for index in range(4)]
    # double precision, the same solver: up to the tolerance of the fit
    assert values_of(found) == pytest.approx(DIFFUSIVITIES, rel=1e-6)
    assert [each["known"]["diffusivity"] for each in found] == [7.0, 8.0, 9.0, 10.0]
    assert [each["status"] for each in found] == ["converged"] * 4
    assert [each["frames"] for each in found] == [FRAMES] * 3 + [FRAMES // 4]


def test_a_simulation_does_not_depend_on_those_before_it(store: CacheManager) -> None:
    experiment = experiment_of([OWN], num_predict_steps=3)
    first, second = (SimulationCalibrator(experiment, store) for _ in range(2))
    first.calibrate(2)
    assert first.calibrate(0) == second.calibrate(0)


def test_one_simulation_selects_the_scheme_of_all(store: CacheManager) -> None:
    experiment = experiment_of([OWN])
    section = experiment.model.physical
    assert section is not None
    auto = section.model_copy(update={"numerics": type(section.numerics)()})
    experiment = experiment.model_copy(
        update={"model": experiment.model.model_copy(update={"physical": auto})}
    )
    calibrator = SimulationCalibrator(experiment, store)
    calibrator.select_scheme()
    found = [calibrator.calibrate(index) for index in (0, 1)]
    assert calibrator.numerics is not None and calibrator.numerics["candidates"]
    used = [(each["numerics"]["scheme"], each["numerics"]["order"]) for each in found]
    assert used == [("finite_difference", 4)] * 2, "the data were made with it"
    assert found[1]["numerics"]["candidates"] == []
    parts = [each["parameters"]["diffusivity"]["uncertainty_parts"]["scheme"] for each in found]
    ratio = DIFFUSIVITIES[1] / DIFFUSIVITIES[0]
    assert parts[1] == pytest.approx(parts[0] * ratio, rel=1e-5), "taken relative to the value"


@pytest.fixture
def damaged(store: CacheManager, tmp_path: Path) -> CacheManager:
    """The same simulations; number 1 has a single frame, and number 2 is uniform."""
    found = CacheManager(tmp_path / "cache")
    for index in range(4):
        simulation = store.load(index)
        u = simulation.fields["u"].clone()
        fields = {"u": u[:1] if index == 1 else 0 * u + 1 if index == 2 else u}
        source = dict(simulation.header.source)
        found.write(index, fields, GRID, DT, source, known=simulation.header.known)
    return found


def files_in(folder: Path) -> CalibrationFiles:
    physical = folder / "physical"
    return CalibrationFiles(
        physical / "parameters.yaml", physical / "history.csv", folder / "checkpoints"
    )


def estimates_of(experiment: Experiment, store: CacheManager, folder: Path) -> SimulationEstimates:
    identity = {"settings": {"trainer_params": {}}, "code": "0"}
    digests = store.manifest(range(4))["files"]
    return SimulationEstimates(experiment, store, folder / "single", identity, digests)


def test_a_failure_is_named_and_leaves_its_neighbours_alone(
    damaged: CacheManager, tmp_path: Path
) -> None:
    experiment, files = experiment_of([OWN]), files_in(tmp_path)
    made = estimates_of(experiment, damaged, tmp_path).make(range(4))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResultWarning)
        result = calibrate_simulations(experiment, damaged, files, made)
    kept = "\n".join(result["warnings"])
    assert "simulation 1 (1.nc) cannot be calibrated, so it has no value" in kept
    assert "simulation 1 has 1 frames" in kept, "the reason"
    assert "simulation 2 (2.nc) does not determine every parameter" in kept
    found = read_parameters(files.parameters)["parameters"]["diffusivity"]
    assert found["value"] == [pytest.approx(DIFFUSIVITIES[0], rel=1e-5), None, None]
    assert found["simulations"] == [0, 1, 2]
    rows = read_table(files.parameters.with_name("per_simulation.csv"))
    statuses = [row["status"] for row in rows]
    assert statuses == ["converged", "failed", "not_determined", "converged"]
    assert rows[3]["file"] == "3.nc" and rows[3]["known"] == 10.0


def test_nothing_is_written_where_every_simulation_fails(tmp_path: Path) -> None:
    failed = [
        {"simulation": i, "file": f"{i}.nc", "status": FAILED, "error": "no", "parameters": {}}
        for i in range(4)
    ]
    with pytest.raises(CalibrationError, match=r"no simulation can be calibrated; simulation 0"):
        combined_result(experiment_of([OWN]), failed)


def test_finished_estimates_are_kept_and_a_changed_simulation_is_made_again(
    store: CacheManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = experiment_of([OWN], num_predict_steps=3)
    estimates = estimates_of(experiment, store, tmp_path)
    first = estimates.make([0, 2])
    calibrated: list[int] = []
    original = SimulationCalibrator.calibrate

    def counted(self: SimulationCalibrator, index: int) -> dict[str, Any]:
        calibrated.append(index)
        return original(self, index)

    monkeypatch.setattr(SimulationCalibrator, "calibrate", counted)
    assert estimates_of(experiment, store, tmp_path).make([0, 2]) == first
    assert calibrated == []
    estimates.path(2).write_text("{")  # interrupted, or damaged
    again = estimates_of(experiment, store, tmp_path).make([0, 2])
    assert calibrated == [2] and again == first


def test_a_whole_run_evaluates_held_out_simulations_after_their_context(
    store: CacheManager, tmp_path: Path
) -> None:
    (x,) = coordinates(GRID)
    times = DT * np.arange(FRAMES)
    for index in range(4):
        u = store.load(index).fields["u"][:, 0].numpy()
        variables = {"u": (("time", "x"), u), "D": ((), np.array(7.0 + index))}
        path = raw_path(tmp_path, f"{index}.nc")
        write_file(path, {"time": times, "x": x.numpy()}, variables)
    experiment = experiment_of([OWN], context_frames=5)
    data = experiment.data.model_copy(
        update={"dset_name": NAME, "boundary": "periodic", "domain": {"x": (0.0, 1.3)}}
    )
    experiment = experiment.model_copy(update={"project_root": str(tmp_path), "data": data})
    folder = run_experiment(experiment, tmp_path / "results", "case.yaml")
    metrics = json.loads((folder / "evaluation/metrics.json").read_text(encoding="utf-8"))
    assert metrics["evaluated_on"]["num_steps"] == FRAMES - 5
    # with the value of another simulation, or their median, it would be off by far more
    assert metrics["physical"]["vrmse"] < 1e-5
    rows = read_table(folder / "physical/per_simulation.csv")
    assert [row["value"] for row in rows] == pytest.approx(DIFFUSIVITIES, rel=1e-4)
    assert [row["known"] for row in rows] == [7.0, 8.0, 9.0, 10.0]
    model = ModelRegistry(experiment).get_physical_model()
    load_parameters(folder / "physical/parameters.yaml", model)
    middle = float(model.get_parameter("diffusivity").detach())
    assert middle == pytest.approx(0.01, rel=1e-4), "of the training simulations"


def test_shared_parameters_are_estimated_together_with_those_of_each_simulation(
    store: CacheManager, tmp_path: Path
) -> None:
    experiment, files = experiment_of([OWN, SHARED]), files_in(tmp_path)
    result = calibrate_simulations(experiment, store, files, [])
    assert result["status"] == "converged"
    shared, own = (result["parameters"][name] for name in ("velocity", "diffusivity"))
    assert shared["value"] == pytest.approx([SPEED], rel=1e-6)
    assert own["value"] == pytest.approx(DIFFUSIVITIES[:3], rel=1e-5)
    assert list(result["parameters"]) == ["diffusivity", "velocity"]
    assert 0 < shared["std"][0] <= shared["uncertainty"][0]
    (lower,), (upper,) = shared["interval_90"]
    assert lower < shared["value"][0] < upper
    assert result["history"][-1]["loss"] < result["history"][0]["loss"]
    assert len(result["table"]) == 4, "the shared one has no rows"


@pytest.mark.filterwarnings("ignore::hybrid_pde.result_warnings.ResultWarning")
def test_warnings_of_single_simulations_are_said_once_and_with_their_name(
    store: CacheManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where parameters are shared, for which each simulation is calibrated, too."""
    monkeypatch.setattr(
        PhysicalTrainer, "train", _warning(PhysicalTrainer.train, "the same for each")
    )
    files = files_in(tmp_path)
    result = calibrate_simulations(experiment_of([OWN, SHARED]), store, files, [])
    found = [text for text in result["warnings"] if "the same for each" in text]
    assert len(found) == 1 and found[0].startswith("simulation 0 (")


def _warning(train: Callable[..., Any], text: str) -> Callable[..., Any]:
    def with_warning(self: PhysicalTrainer, *arguments: Any, **options: Any) -> Any:
        result = train(self, *arguments, **options)
        warn_of_result(text)
        return {**result, "warnings": [*result["warnings"], text]}

    return with_warning


def test_beside_shared_parameters_no_warning_recommends_what_is_refused(
    store: CacheManager,
) -> None:
    for learnable, possible in (([OWN, SHARED], False), ([OWN], True)):
        calibrator = SimulationCalibrator(experiment_of(learnable), store)
        assert calibrator._trainer(0, FRAMES).can_estimate_states is possible


def test_joint_uncertainty_is_that_of_the_whole_problem(store: CacheManager) -> None:
    # the arrow matrix of two simulations against its inverse written out
    experiment = experiment_of([OWN, SHARED], train_sim=[0, 1], num_predict_steps=4)
    joint = JointCalibration(experiment, store)
    joint._calibrator.shared = joint._start()
    for index in (0, 1):
        joint._add_block(index)
    joint._minimize()
    blocks = [joint._blocks[index] for index in (0, 1)]
    whole, residual = [], []
    for place, block in enumerate(blocks):
        at = block.objective.linearize(block.z)
        rows = torch.zeros(len(at.residual), 3, dtype=torch.float64)
        rows[:, place] = torch.from_numpy(at.jacobian[:, 0])
        rows[:, 2] = torch.from_numpy(at.jacobian[:, 1])
        whole.append(rows)
        residual.append(torch.from_numpy(at.residual))
    jacobian = torch.cat(whole)
    count = sum(block.objective.num_values for block in blocks)
    variance = float(torch.cat(residual).square().sum()) / (count - 3)
    expected = torch.linalg.inv(jacobian.T @ jacobian)[2, 2] * variance
    report, _ = shared_report(joint._fit(), [])
    scale = blocks[0].objective.vector.scale[1]
    assert report["velocity"]["std"][0] == pytest.approx(float(expected) ** 0.5 * scale, rel=1e-6)


def test_a_trainer_of_one_value_refuses_parameters_of_each_simulation() -> None:
    with pytest.raises(ConfigError, match=r"per_simulation: true: a PhysicalTrainer estimates one"):
        TrainerFactory.create_trainer(experiment_of([OWN]))
