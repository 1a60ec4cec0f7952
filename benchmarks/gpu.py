"""Measures solver steps and training steps on one GPU, in at most 8 minutes.

    python -m benchmarks.gpu [--output gpu.json] [--seconds 4] [--limit 480]

Prints one JSON line for each measurement and writes all of them, with versions and hardware, to one
file. What no longer fits into the time limit is listed as skipped. ``--device cpu`` runs the same
measurements on the CPU, to try the script; its figures are those of that CPU.

Layout: ``B`` simulations, ``C`` channels, ``X Y Z`` space.
"""

import argparse
import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import pi
from pathlib import Path
from typing import Any

import torch
from torch.distributed import destroy_process_group, init_process_group
from torch.nn.parallel import DistributedDataParallel

from benchmarks.environment import environment
from hybrid_pde.data.atomic import atomic_path
from hybrid_pde.domain.grid import PERIODIC, Grid
from hybrid_pde.models.physical import PhysicalModel
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.models.synthetic.synthetic_model import SyntheticModel

_DT = 1e-3
_STEPS = 20
# Largest relative difference between the CPU and the device after _STEPS steps.
_ROUNDING = {"single": 1e-4, "double": 1e-11}
_ARCHITECTURES = ("ConvNet", "ResNet", "DilatedResNet", "UNet", "FNO")

Measurement = dict[str, Any]


@dataclass(frozen=True)
class Device:
    """The device that is measured, and how long.

    Attributes:
        name: ``cuda`` or ``cpu``.
        seconds: Time of each measurement, after a warm-up.
        small: Whether to take an eighth of the points along each axis.
    """

    name: str
    seconds: float
    small: bool

    def shape(self, *points: int) -> tuple[int, ...]:
        """The points along each axis to measure with."""
        return tuple(max(16, each // 8) for each in points) if self.small else points

    def finish(self) -> None:
        """Wait for all operations."""
        if self.name == "cuda":
            torch.cuda.synchronize()

    def forget_peak(self) -> None:
        """Start recording the peak of the memory."""
        if self.name == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def peak(self) -> float | None:
        """Peak of the memory [MiB]; ``None`` on the CPU."""
        return torch.cuda.max_memory_allocated() / 2**20 if self.name == "cuda" else None

    def rate(self, call: Callable[[], Any]) -> float:
        """Calls per second, after two calls that warm up."""
        for _ in range(2):
            call()
        self.finish()
        begin, calls = time.perf_counter(), 0
        while not calls or time.perf_counter() - begin < self.seconds:
            call()
            self.finish()
            calls += 1
        return calls / (time.perf_counter() - begin)


def solver(device: Device) -> Iterator[Callable[[], Measurement]]:
    """Rollouts of Burgers' equation in 2D and 3D."""
    for scheme, order in (("spectral", 2), ("finite_difference", 4)):
        for points, simulations in (((256, 256), 1), ((256, 256), 16), ((128, 128, 128), 1)):
            for precision in ("single", "double"):
                numerics = {"scheme": scheme, "order": order, "precision": precision}
                yield partial(_solver, device, numerics, device.shape(*points), simulations)


def _solver(
    device: Device, numerics: dict[str, Any], points: tuple[int, ...], simulations: int
) -> Measurement:
    model, state, grid = _burgers(numerics, points, simulations)
    with torch.no_grad():
        expected = _last(model, state, grid)
        model.to(device.name)
        there = state.to(device.name)
        device.forget_peak()
        found = _last(model, there, grid)
        rate = device.rate(lambda: _last(model, there, grid))
    difference = float((found.cpu() - expected).abs().max() / expected.abs().max())
    steps = rate * _STEPS * model.substeps_used
    return {
        "what": "solver",
        **numerics,
        "points": list(points),
        "simulations": simulations,
        "steps_per_second": steps,
        "cells_per_second": steps * simulations * state[0, 0].numel(),
        "peak_mib": device.peak(),
        "difference_from_cpu": difference,
        "equal_to_cpu": difference <= _ROUNDING[numerics["precision"]],
    }


def _burgers(
    numerics: dict[str, Any], points: tuple[int, ...], simulations: int
) -> tuple[PhysicalModel, torch.Tensor, Grid]:
    """The equation on a periodic box, and smooth states ``[B, C, *space]``."""
    physical = {"name": "BurgersPDE", "pde_params": {"viscosity": 0.01}, "numerics": numerics}
    model = ModelRegistry({"model": {"physical": physical}}).get_physical_model()
    dtype = torch.float32 if numerics["precision"] == "single" else torch.float64
    wave = torch.zeros(points, dtype=dtype)
    for axis, count in enumerate(points):
        line = torch.sin(torch.linspace(0, 2 * pi, count + 1, dtype=dtype)[:-1])
        wave = wave + line.view(*(-1 if each == axis else 1 for each in range(len(points))))
    dims = len(points)
    phases = torch.linspace(0.5, 1.0, simulations * dims, dtype=dtype)
    state = phases.view(simulations, dims, *(1,) * dims) * wave
    return model, state.contiguous(), _grid(points)


def _grid(points: tuple[int, ...]) -> Grid:
    """The unit box, periodic."""
    axes = ("x", "y", "z")[: len(points)]
    zeros, ones = (0.0,) * len(axes), (1.0,) * len(axes)
    sides = ((PERIODIC, PERIODIC),) * len(axes)
    return Grid(axes, points, zeros, ones, sides, (False,) * len(axes))


def _last(model: PhysicalModel, state: torch.Tensor, grid: Grid) -> torch.Tensor:
    (last,) = deque(model.rollout(state, grid, _STEPS, _DT), maxlen=1)
    return last


def training(device: Device) -> Iterator[Callable[[], Measurement]]:
    """Training steps of each architecture on 128² points with 16 windows."""
    for name in _ARCHITECTURES:
        yield partial(_training, device, name, bf16=False, compiled=False)
        yield partial(_training, device, name, bf16=True, compiled=False)
        # Inductor has no kernels for the complex numbers of Fourier layers.
        if name != "FNO":
            yield partial(_training, device, name, bf16=True, compiled=True)
    yield partial(_training, device, "UNet", bf16=False, compiled=False, distributed=True)


def _training(
    device: Device, name: str, *, bf16: bool, compiled: bool, distributed: bool = False
) -> Measurement:
    points, windows = device.shape(128, 128), 2 if device.small else 16
    channels = {"velocity": 2}
    synthetic = {"name": name, "input_specs": channels, "output_specs": channels}
    grid = _grid(points)
    torch.manual_seed(0)
    model = ModelRegistry({"model": {"synthetic": synthetic}}).get_synthetic_model(grid)
    model.to(device.name)
    if compiled:
        model.network.compile()
    state = torch.randn(windows, 2, *points, device=device.name)
    network = _parallel(model, device) if distributed else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(device.name, torch.bfloat16, enabled=bf16):
            prediction = network(state)
        (prediction.float() - state).square().mean().backward()
        optimizer.step()

    device.forget_peak()
    began = time.perf_counter()
    step()
    device.finish()
    first = time.perf_counter() - began
    try:
        rate = device.rate(step)
    finally:
        if distributed:
            destroy_process_group()
    return {
        "what": "training",
        "architecture": name,
        "precision": "bf16" if bf16 else "single",
        "compiled": compiled,
        "distributed": distributed,
        "points": list(points),
        "windows": windows,
        "steps_per_second": rate,
        "first_step_seconds": first,
        "peak_mib": device.peak(),
    }


def _parallel(model: SyntheticModel, device: Device) -> torch.nn.Module:
    """The model as one of one processes that train together."""
    os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
    os.environ.setdefault("MASTER_PORT", "29501")
    backend = "nccl" if device.name == "cuda" else "gloo"
    init_process_group(backend, rank=0, world_size=1)
    return DistributedDataParallel(model)


def measure(device: Device, limit: float) -> dict[str, Any]:
    """All measurements that fit into ``limit`` seconds, and the number that did not."""
    end, measured, skipped = time.perf_counter() + limit, [], 0
    for measurement in (*solver(device), *training(device)):
        if time.perf_counter() > end:
            skipped += 1
            continue
        try:
            found = measurement()
        except torch.OutOfMemoryError as problem:
            found = {"what": str(measurement.args[1:]), "error": str(problem)}
        print(json.dumps(found), flush=True)
        measured.append(found)
    return {**environment(), "measurements": measured, "skipped": skipped}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and write the JSON file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu")
    parser.add_argument("--output", type=Path, default=Path("gpu.json"))
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--seconds", type=float, default=4.0, help="time of each measurement")
    parser.add_argument("--limit", type=float, default=480.0, help="time of all of them")
    given = parser.parse_args(argv)
    if given.device == "cuda" and not torch.cuda.is_available():
        parser.exit(1, "There is no GPU here; --device cpu tries the script on the CPU.\n")
    device = Device(given.device, given.seconds, small=given.device == "cpu")
    found = measure(device, given.limit)
    with atomic_path(given.output) as temporary:
        temporary.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    different = [m for m in found["measurements"] if m.get("equal_to_cpu") is False]
    if different:
        parser.exit(
            1, f"{len(different)} rollouts differ from those of the CPU; see {given.output}\n"
        )


if __name__ == "__main__":
    main()
