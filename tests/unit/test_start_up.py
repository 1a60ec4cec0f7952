"""Stages load no slow library that they do not use."""

import subprocess
import sys

import pytest

SLOW = ("matplotlib", "netCDF4", "pandas", "phi", "scipy.ndimage", "torch", "torch._dynamo")
USED = {
    "cache": set(),
    "report": set(),
    "train_physical": {"torch", "phi"},
}
# a step of an equation is recorded by PyTorch's dispatch
ROLLOUT = """
import torch
from hybrid_pde.models import ModelRegistry
from tests.physics.periodic_box import periodic_grid, physical_config
config = physical_config("DiffusionPDE", {"diffusivity": 0.1})
model = ModelRegistry(config).get_physical_model()
model.rollout({"u": torch.rand(1, 1, 8)}, periodic_grid((8,), (1.0,)), 1, 0.1)
"""


@pytest.mark.parametrize("stage", USED)
def test_a_stage_loads_only_the_slow_libraries_that_it_uses(stage):
    program = f"import sys, hybrid_pde.stages.{stage}\n"
    program += ROLLOUT if stage == "train_physical" else ""
    program += f"print(*({{*{SLOW}}} & {{*sys.modules}}))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert set(ended.stdout.split()) == USED[stage]
