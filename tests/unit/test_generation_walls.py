"""Simulated raw files with walls and with several fields."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from phi.torch.flow import math

from hybrid_pde.config import Experiment, parse_experiment
from hybrid_pde.config.checks.consistency import check_experiment
from hybrid_pde.data.cache.data_manager import DataManager
from hybrid_pde.data.field_conversion import to_values
from hybrid_pde.errors import ConfigError
from hybrid_pde.numerics.projection import project
from hybrid_pde.stages.simulate import RawSimulations

RESOLUTION, DOMAIN = {"x": 14, "y": 12}, {"x": [0.0, 2.1], "y": [-0.5, 0.5]}
CHANNEL = {"x": "periodic", "y": {"lower": 1.0, "upper": "zero-gradient"}}
GRAY_SCOTT = {"diffusivity_a": 2e-3, "diffusivity_b": 1e-3, "feed": 0.04, "kill": 0.06}


def generating(root: Path, equation: str, fields: list[str], **keys: Any) -> Experiment:
    generation = {
        "equation": equation,
        "num_simulations": 2,
        "steps": 4,
        "dt": 0.02,
        "resolution": RESOLUTION,
        "domain": DOMAIN,
        "parameters": keys.pop("parameters"),
        "initial_condition": {"amplitude": 0.1, "length_scale": 0.3, **keys.pop("condition", {})},
    }
    data = {"dset_name": "made", "fields": fields, "boundary": keys.pop("boundary", None)}
    assert not keys
    return parse_experiment(
        {"project_root": str(root), "data": data, "generation_params": generation}
    )


def read_back(experiment: Experiment) -> DataManager:
    """The cached simulations, with the boundary read from the raw files."""
    RawSimulations(experiment, experiment.raw_dir).make([0, 1])
    reading = experiment.data.model_copy(update={"boundary": None})
    manager = DataManager(
        experiment.raw_dir, experiment.cache_root, experiment.model_copy(update={"data": reading})
    )
    manager.cache_shard([0, 1])
    return manager


def test_files_state_the_walls_and_all_fields(tmp_path: Path) -> None:
    experiment = generating(
        tmp_path,
        "GrayScottPDE",
        ["a", "b"],
        boundary=CHANNEL,
        parameters=GRAY_SCOTT,
        condition={"mean": -0.5},
    )
    manager = read_back(experiment)
    assert manager.grid.boundary == (("periodic", "periodic"), (1.0, "zero-gradient"))
    assert manager.grid.nodes_on_boundary == (False, False)
    assert manager.grid.upper == pytest.approx((2.1, 0.5))
    for index in (0, 1):
        fields = manager.load(index).fields
        assert list(fields) == ["a", "b"]
        for values in fields.values():
            # 1 at the wall at all times, and 0.5 on average
            assert values[0].mean() == pytest.approx(0.5, abs=1e-5)
            at_wall = 1.875 * values[..., 0] - 1.25 * values[..., 1] + 0.375 * values[..., 2]
            np.testing.assert_allclose(at_wall[0].numpy(), 1.0, atol=0.02)
            # reactions form a boundary layer, which three cells resolve less well
            np.testing.assert_allclose(at_wall.numpy(), 1.0, atol=0.1)
            assert (values[-1] - values[0]).abs().max() > 1e-3


def test_other_walls_are_other_simulations(tmp_path: Path) -> None:
    first = generating(tmp_path, "DiffusionPDE", ["u"], parameters={"diffusivity": 0.1})
    with_walls = replace_boundary(first, 0.0)
    RawSimulations(first, first.raw_dir).make([0])
    path = first.raw_dir / "sim_000000.nc"
    before = path.read_bytes()
    RawSimulations(first, first.raw_dir).make([0])
    assert path.read_bytes() == before
    RawSimulations(with_walls, first.raw_dir).make([0])
    assert path.read_bytes() != before


def replace_boundary(experiment: Experiment, boundary: Any) -> Experiment:
    data = experiment.data.model_copy(update={"boundary": boundary})
    return experiment.model_copy(update={"data": data})


@pytest.mark.parametrize("boundary", [None, 0.0, {"x": "periodic", "y": 0.0}])
def test_flow_is_free_of_divergence_from_the_start(tmp_path: Path, boundary: Any) -> None:
    experiment = generating(
        tmp_path,
        "NavierStokesPDE",
        ["velocity"],
        boundary=boundary,
        parameters={"viscosity": 0.01},
    )
    manager = read_back(experiment)
    assert [layout.name for layout in manager.layouts] == ["velocity"]
    (layout,) = manager.layouts
    for frame in manager.load(1).fields["velocity"][[0, -1]]:
        assert frame.std() > 0.05
        with math.precision(64):
            v = to_values(frame.double(), manager.grid, layout)
            changed = math.max(math.abs(project(v, manager.grid) - v))
        # frames are saved in single precision
        assert float(changed.max) < 1e-6


def test_density_is_advected_if_the_data_name_it(tmp_path: Path) -> None:
    experiment = generating(
        tmp_path,
        "NavierStokesPDE",
        ["density", "velocity"],
        boundary=0.0,
        parameters={"viscosity": 0.01, "diffusivity": 0.01, "buoyancy": [0.0, 1.0]},
    )
    fields = read_back(experiment).load(0).fields
    assert fields["density"].shape == (5, 1, 14, 12)
    assert fields["velocity"].shape == (5, 2, 14, 12)


def test_fields_not_named_by_the_data_are_simulated_too(tmp_path: Path) -> None:
    experiment = generating(tmp_path, "GrayScottPDE", ["b"], parameters=GRAY_SCOTT)
    assert list(read_back(experiment).load(0).fields) == ["b"]


@pytest.mark.parametrize(
    ("boundary", "scheme", "message"),
    [
        ("walls", "auto", r"data\.boundary: 'walls': allowed: periodic, zero-gradient or a number"),
        (
            {"x": 0.0},
            "auto",
            r"data\.boundary: \['x'\]: must have the axes of generation_params.resolution, ",
        ),
        (0.0, "spectral", r"numerics\.scheme: spectral: needs periodic .*boundary is 0\.0"),
        (None, "spectral", ""),
        (CHANNEL, "auto", ""),
    ],
)
def test_boundary_is_checked_before_anything_is_computed(
    tmp_path: Path, boundary: Any, scheme: str, message: str
) -> None:
    learnable = [{"name": "diffusivity", "initial_guess": 0.1}]
    experiment = generating(tmp_path, "DiffusionPDE", ["u"], parameters={"diffusivity": 0.1})
    experiment = parse_experiment(
        replace_boundary(experiment, boundary).model_dump(mode="json")
        | {
            "run_params": {"model_type": "physical"},
            "model": {"physical": {"name": "DiffusionPDE", "numerics": scheme}},
            "trainer_params": {
                "physical": {
                    "train_sim": [0],
                    "num_predict_steps": 2,
                    "learnable_parameters": learnable,
                }
            },
        }
    )
    if not message:
        check_experiment(experiment, "a.yaml")
        return
    with pytest.raises(ConfigError, match=rf"a\.yaml: .*{message}") as caught:
        check_experiment(experiment, "a.yaml")
    assert str(caught.value).count("\n") == 0
