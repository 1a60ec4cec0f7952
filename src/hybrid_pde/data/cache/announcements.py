"""Announcement of what raw files do not state, and of what is converted or recognised."""

import logging
from pathlib import Path

from hybrid_pde.config import Experiment
from hybrid_pde.data.raw_files.raw_file import RawFileInfo
from hybrid_pde.domain.grid import Grid
from hybrid_pde.domain.stated_units import StatedUnits
from hybrid_pde.result_warnings import warn_of_result

logger = logging.getLogger(__name__)

ENDS = {
    "nodes": "the points include both ends of the domain, where the values are data.boundary's",
    "repeated": "the last point repeats the first of the period and is left out",
}

ASSUMED_PERIODIC = (
    "neither data.boundary nor the raw files state the boundary; it is taken as periodic. State it "
    "in data.boundary"
)


def announce(info: RawFileInfo, raw_dir: Path) -> None:
    """Log what the files do not state, and what is converted."""
    if not info.boundary_stated:
        logger.warning("%s: %s", raw_dir, ASSUMED_PERIODIC)
    for name, own, unit in info.units.converted:
        logger.info("%s: %s is converted from %s to %s", raw_dir, name, own, unit)
    for name in info.units.turned:
        logger.info("%s: %s changes sign: it is positive against its axis", raw_dir, name)
    for axis, kind in info.units.ends:
        logger.info("%s: %s: %s", raw_dir, axis, ENDS[kind])


def warn_of_conversions(units: StatedUnits, grid: Grid, experiment: Experiment) -> None:
    """Warn of fixed boundary values of fields that are converted to another unit."""
    sides = [side for pair in grid.boundary for side in pair if not isinstance(side, str)]
    for name, own, unit in units.converted:
        if name in experiment.data.fields and experiment.data.boundary is not None and any(sides):
            warn_of_result(
                f"data.boundary: {experiment.data.boundary}: the fixed values are taken in {unit}, "
                f"since {name} is converted to it from {own}; give them in that unit"
            )
