"""Parameters of each simulation in the workflow: jobs, and a repeated run."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from hybrid_pde.data.simulation_table import read_table
from tests.unit.raw_files import NAME, cells, raw_path, write_file
from tests.workflow.snakemake_run import planned_jobs, run

TARGET = "results/heat/physical/parameters.yaml"
DIFFUSIVITIES = (0.01, 0.02, 0.03, 0.015, 0.025)
EXPERIMENT = {
    "run_params": {"model_type": "physical"},
    "data": {"dset_name": NAME, "fields": ["u"], "boundary": "periodic"},
    "model": {"physical": {"name": "DiffusionPDE", "numerics": {"scheme": "spectral"}}},
    "trainer_params": {
        "train_sim": [0, 1, 3],
        "test_sim": [4],
        "num_predict_steps": 4,
        "check_discretization": False,
        "learnable_parameters": [
            {"name": "diffusivity", "initial_guess": 0.05, "per_simulation": True}
        ],
    },
    "workflow": {"sims_per_job": 2},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with decaying waves, each with another diffusivity."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config/heat.yaml").write_text(yaml.safe_dump(EXPERIMENT), encoding="utf-8")
    times, x = 0.1 * np.arange(17), cells(16)
    for index, diffusivity in enumerate(DIFFUSIVITIES):
        decay = np.exp(-diffusivity * (2 * np.pi) ** 2 * times)
        u = decay[:, None] * np.sin(2 * np.pi * x + index)
        write_file(
            raw_path(tmp_path, f"{index}.nc"), {"time": times, "x": x}, {"u": (("time", "x"), u)}
        )
    return tmp_path


def test_each_shard_with_used_simulations_has_a_job(folder: Path) -> None:
    jobs = planned_jobs(folder, TARGET)
    assert jobs == {"cache": 3, "calibrate": 3, "train_physical": 1}


@pytest.mark.nightly
def test_a_repeated_run_calibrates_only_what_has_changed(folder: Path) -> None:
    finished = run(folder, TARGET)
    assert finished.returncode == 0, finished.stdout
    table = folder / "results/heat/physical/per_simulation.csv"
    rows = read_table(table)
    assert [row["simulation"] for row in rows] == [0, 1, 3, 4]
    expected = [DIFFUSIVITIES[index] for index in (0, 1, 3, 4)]
    assert [row["value"] for row in rows] == pytest.approx(expected, rel=1e-5)
    assert planned_jobs(folder, TARGET) == {}
    before = table.read_bytes()
    # Snakemake makes a missing intermediate file only where what follows from it is missing, too
    (folder / "results/heat/physical/per_simulation/calibrated_000000-000001.json").unlink()
    (folder / TARGET).unlink()
    again = run(folder, TARGET)
    assert again.returncode == 0, again.stdout
    assert "0 of 2 simulations newly calibrated" in again.stdout
    assert table.read_bytes() == before
