"""Whole calibrations against an earlier revision of this library, and against common practice."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmarks.calibration import cases, peers
from benchmarks.speed.ensembles import CALIBRATIONS, Calibration
from benchmarks.speed.processes import Peer
from benchmarks.speed.ratios import Pair, Ratio

ROOT = Path(__file__).resolve().parents[2]
# The last revision whose steps were run through PhiML.
BEFORE = "acad7e1"
_ROUNDS = 2
_TRAJECTORIES = 16


class Probe:
    """A process that runs one calibration whenever it is asked to.

    Args:
        peer: The process, see :mod:`benchmarks.speed.calibration_probe`.

    Attributes:
        last: The last answer.
    """

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self.last: dict[str, Any] = {}

    def run(self) -> float:
        """Seconds of one calibration."""
        self.last = json.loads(self._peer.ask())
        return float(self.last["seconds"])


@contextmanager
def probe(tree: Path, case: Path) -> Iterator[Probe]:
    """The process, with the library of a checkout.

    Args:
        tree: The checkout.
        case: File that describes the calibration.
    """
    path = os.pathsep.join([str(tree), str(tree / "src")])
    program = str(ROOT / "benchmarks/speed/calibration_probe.py")
    with Peer([sys.executable, "-P", program, str(case)], {"PYTHONPATH": path}) as peer:
        yield Probe(peer)


def checkout(revision: str, folder: Path) -> Path:
    """A checkout of an earlier revision."""
    folder.mkdir(parents=True)
    archive = subprocess.run(
        ["git", "archive", revision], cwd=ROOT, check=True, capture_output=True
    ).stdout
    subprocess.run(["tar", "-x"], cwd=folder, input=archive, check=True)
    return folder


def against_revision(scratch: Path, revision: str = BEFORE) -> Iterator[Ratio]:
    """Four calibrations now and at an earlier revision.

    The first run of each process, which traces and compiles, is not counted.
    """
    before = checkout(revision, scratch / revision)
    for calibration in CALIBRATIONS:
        case = _describe(calibration, scratch)
        with ExitStack() as stack:
            ours, theirs = (stack.enter_context(probe(tree, case)) for tree in (ROOT, before))
            pair = Pair(
                f"calibration, {calibration.name.replace('_', ' ')}",
                f"revision {revision}",
                ours.run,
                theirs.run,
                least=5.0,
                rounds=_ROUNDS,
            )
            measured = pair.measure()
            note = "; ".join(
                _compared(name, truth, ours.last, theirs.last)
                for name, truth in calibration.truth.items()
            )
            peaks = f"peak {ours.last['peak_mib']:.0f} and {theirs.last['peak_mib']:.0f} MiB"
        yield Ratio(**{**measured.to_json(), "note": f"{note}; {peaks}"})


def _compared(name: str, truth: float, ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    """Both estimates of a parameter, and how far they are apart and from the truth."""
    one, other = (float(each["values"][name]) for each in (ours, theirs))
    text = f"{name} {one:.8g} and {other:.8g}"
    uncertainty = ours["uncertainty"][name]
    if uncertainty:
        errors = [abs(one - other), abs(one - truth), abs(other - truth)]
        apart, own, before = (error / uncertainty for error in errors)
        text += f" ({apart:.2g} uncertainties apart, {own:.2g} and {before:.2g} off the truth)"
    return text


def against_practice(scratch: Path) -> Iterator[Ratio]:
    """A calibration on 16 trajectories, against L-BFGS-B on uncompiled PhiFlow for each of them."""
    velocity = cases.burgers_set(_TRAJECTORIES)
    raw = scratch / "practice"
    raw.mkdir()
    cases.write_burgers(raw / "burgers.nc", velocity)
    training = {
        "train_sim": list(range(_TRAJECTORIES)),
        "num_predict_steps": velocity.shape[1] - 1,
        "learnable_parameters": [{"name": "viscosity", "initial_guess": 0.02}],
        "check_discretization": False,
    }
    case = scratch / "practice.json"
    data = {"fields": ["velocity"], "domain": {"x": [0.0, 1.0], "y": [0.0, 1.0]}}
    _write(case, raw, (data, {"name": "BurgersPDE"}, training), ["viscosity"])

    def theirs() -> float:
        # one trajectory is timed: they are minimized one by one
        estimate = peers.unjitted_phiflow_lbfgs(torch.from_numpy(velocity[0]), 0.01, 1.0, 0.02)
        return estimate.seconds * _TRAJECTORIES

    with probe(ROOT, case) as ours:
        yield Pair(
            f"calibration, Burgers' equation in 2D, {_TRAJECTORIES} trajectories",
            "L-BFGS-B on uncompiled PhiFlow, one trajectory timed",
            ours.run,
            theirs,
            least=100.0,
            rounds=_ROUNDS,
        ).measure()


def _describe(calibration: Calibration, scratch: Path) -> Path:
    raw = scratch / calibration.name
    calibration.write(raw)
    case = scratch / f"{calibration.name}.json"
    _write(case, raw, calibration.settings(), list(calibration.truth))
    return case


def _write(
    case: Path,
    raw: Path,
    settings: tuple[dict[str, Any], dict[str, Any], dict[str, Any]],
    parameters: list[str],
) -> None:
    names = ("data", "physical", "training")
    described = dict(zip(names, settings, strict=True))
    case.write_text(json.dumps({"raw": str(raw), "parameters": parameters, **described}))
