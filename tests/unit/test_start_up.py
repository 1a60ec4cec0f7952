"""Stages load no slow library that they do not use."""

import subprocess
import sys

import pytest

SLOW = (
    "lightning_fabric",
    "matplotlib",
    "netCDF4",
    "pandas",
    "phi",
    "scipy.ndimage",
    "torch",
    "torch._dynamo",
)
USED = {
    "cache": set(),
    "report": {"matplotlib"},
    "train_physical": {"torch", "phi"},
    "train_synthetic": {"torch"},
}
FIGURES = """
from pathlib import Path
from hybrid_pde.evaluation.report.drawings import draw_report
import hybrid_pde.evaluation.figures.residual_figures
draw_report(Path())
"""
# a step of an equation is recorded by PyTorch's dispatch
ROLLOUT = """
import torch
from hybrid_pde.models import ModelRegistry
from tests.physics.periodic_box import periodic_grid, physical_config
config = physical_config("DiffusionPDE", {"diffusivity": 0.1})
model = ModelRegistry(config).get_physical_model()
model.rollout({"u": torch.rand(1, 1, 8)}, periodic_grid((8,), (1.0,)), 1, 0.1)
"""
TRAINING = """
import torch
from torch.utils.data import DataLoader, TensorDataset
from hybrid_pde.domain.grid import Grid
from hybrid_pde.models import ModelRegistry
from hybrid_pde.training.synthetic import SyntheticTrainer
specs = {"input_specs": {"u": 1}, "output_specs": {"u": 1}}
config = {"data": {"fields": ["u"]}, "model": {"synthetic": {"name": "UNet", **specs}}}
grid = Grid(("x",), (8,), (0.0,), (1.0,), (("periodic", "periodic"),), (False,))
trainer = SyntheticTrainer(config, ModelRegistry(config).get_synthetic_model(grid))
trainer.train(DataLoader(TensorDataset(torch.rand(2, 1, 8), torch.rand(2, 1, 1, 8))), 1)
trainer.load_state(trainer.state(), "")
"""
PROGRAMS = {"report": FIGURES, "train_physical": ROLLOUT, "train_synthetic": TRAINING}


@pytest.mark.parametrize("stage", USED)
def test_a_stage_loads_only_the_slow_libraries_that_it_uses(stage):
    program = f"import sys, hybrid_pde.stages.{stage}\n"
    program += PROGRAMS.get(stage, "")
    program += f"print(*({{*{SLOW}}} & {{*sys.modules}}))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert set(ended.stdout.split()) == USED[stage]
