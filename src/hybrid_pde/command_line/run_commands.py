"""Snakemake calls for experiments, as the commands print them."""

from pathlib import Path

import hybrid_pde
from hybrid_pde.config.loading import CONFIG_DIR


def run_command(path: Path, name: str) -> str:
    """The call that computes an experiment and its report.

    Args:
        path: Its file.
        name: Its name, of its folder in ``results``.
    """
    if path.parent == Path(CONFIG_DIR) and path.stem == name:
        return f"snakemake {workflow_options()}--cores 2 results/{name}/report.html"
    return f"snakemake {workflow_options()}--cores 2 --config experiment={path}"


def workflow_options() -> str:
    """Options that name the workflow and its profile, from a folder that is not the project's."""
    root = Path(hybrid_pde.__file__).resolve().parents[2]
    if Path("Snakefile").exists() or not (root / "Snakefile").exists():
        return ""
    return f"--snakefile {root}/Snakefile --profile {root}/profiles/default "
