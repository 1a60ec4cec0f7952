"""Snakemake calls for experiments, as the commands print them."""

from pathlib import Path

from hybrid_pde.config.loading import CONFIG_DIR


def run_command(path: Path, name: str) -> str:
    """The call that computes an experiment and its report.

    Args:
        path: Its file.
        name: Its name, of its folder in ``results``.
    """
    if path.parent == Path(CONFIG_DIR) and path.stem == name:
        return f"snakemake --cores 2 results/{name}/report.html"
    return f"snakemake --cores 2 --config experiment={path}"
