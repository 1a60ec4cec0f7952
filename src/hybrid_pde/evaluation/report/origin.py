"""Origin of a report: versions, revision of the code, digests of the results, and the command."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hybrid_pde.data.atomic import sha256_of
from hybrid_pde.evaluation.provenance import collect_provenance, git_revision

RESULTS = ("physical/parameters.yaml", "synthetic_model.pt", "evaluation/metrics.json")
SHOWN_DIGITS = 16  # of a digest


def origin_of(folder: Path) -> dict[str, Any]:
    """Versions and machine, the revision of the library, and the digest of each result.

    Args:
        folder: The experiment's folder.
    """
    origin = collect_provenance()
    packages: Mapping[str, str] = origin.pop("packages")
    digests = {
        name: sha256_of(folder / name)[:SHOWN_DIGITS]
        for name in RESULTS
        if (folder / name).is_file()
    }
    return {
        **origin,
        "git revision": git_revision() or "not a git checkout",
        "packages": packages,
        **({"SHA-256": digests} if digests else {}),
    }


def usage(folder_name: str, has_surrogate: bool, has_solver: bool) -> str:
    """Three lines of Python that load a model of the experiment and use it."""
    folder = f"results/{folder_name}"
    load = f'model = hybrid_pde.load_physical_model("{folder}")'
    if has_surrogate:
        load = f'model = hybrid_pde.load_synthetic_model("{folder}/synthetic_model.pt")'
    if not (has_surrogate or has_solver):
        return ""
    return (
        "import hybrid_pde, xarray\n"
        f"{load}\n"
        'forecast = model.rollout(xarray.open_dataset("initial.nc"), steps=20)'
    )
