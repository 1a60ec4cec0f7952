"""Description of the evaluated data: grid, times, units, and statistics of each field."""

from typing import Any

import numpy as np

from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.evaluation.rollout_evaluation import Evaluation


def describe_data(store: SimulationStore, evaluation: Evaluation) -> dict[str, Any]:
    """Grid, times and units of the data, and statistics over the evaluated simulations.

    Args:
        store: The simulations.
        evaluation: Which of them were evaluated.

    Returns:
        JSON types: ``grid``, ``dt``, ``frames`` (smallest and largest number), ``units`` with
        ``length`` and ``time``, and for each of ``fields`` and each component ``mean``, ``std``,
        ``min``, ``max``, ``missing`` (values) and ``unit``.
    """
    numbers = evaluation.metrics["evaluated_on"]["simulations"]
    headers = [store.header(number) for number in numbers]
    frames = [header.num_frames for header in headers]
    units = store.units
    rows = []
    for layout in store.layouts:
        for channel, component in enumerate(layout.components or ("",)):
            found = [header.statistics[layout.name] for header in headers]
            # variance = mean of the squares − square of the mean, simulations weighted by frames
            mean = np.average([each.mean[channel] for each in found], weights=frames)
            squares = [each.std[channel] ** 2 + each.mean[channel] ** 2 for each in found]
            square = np.average(squares, weights=frames)
            rows.append(
                {
                    "name": f"{layout.name} {component}".strip(),
                    "unit": units.of(layout.name),
                    "static": layout.static,
                    "mean": float(mean),
                    "std": float(np.sqrt(max(0.0, square - mean**2))),
                    "min": min(each.min[channel] for each in found),
                    "max": max(each.max[channel] for each in found),
                    "missing": sum(each.missing[channel] for each in found),
                }
            )
    return {
        "grid": store.grid.to_dict(),
        "dt": store.dt,
        "frames": [min(frames), max(frames)],
        "units": {
            "length": units.length,
            "time": units.time,
            "epoch": units.epoch,
            "time_of_files": units.time_of_files,
        },
        "seconds_of_files": units.seconds_of_files,
        "simulations": list(numbers),
        "fields": rows,
    }
