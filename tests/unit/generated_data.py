"""Small experiments with simulated raw files."""

from pathlib import Path
from typing import Any

from hybrid_pde.config import Experiment, parse_experiment
from tests.workflow.tiny import tiny_experiment


def tiny_in(root: Path, **generation: Any) -> dict[str, Any]:
    """The tiny default experiment with its data in ``root``, as a mapping.

    Args:
        root: Folder of the data.
        **generation: Keys of ``generation_params`` to replace.
    """
    mapping = tiny_experiment() | {"project_root": str(root)}
    mapping["generation_params"] |= generation
    return mapping


def parsed_in(root: Path, **generation: Any) -> Experiment:
    return parse_experiment(tiny_in(root, **generation))
