"""Checks of result files against the specification of their format, ``docs/formats.md``."""

import json
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path

import numpy as np

from hybrid_pde.data.atomic import sha256_of
from hybrid_pde.data.cache.cache_file import open_simulation
from hybrid_pde.data.cache.channel_statistics import ChannelStatistics
from hybrid_pde.data.cache.manifests import digests_of, simulations_of
from hybrid_pde.domain.small_file import read_small_text
from hybrid_pde.errors import CacheError, UserError

# single precision rounds the values that the statistics were computed from
_TOLERANCE = 1e-6
_BLOCK = 64  # frames that are read at a time


def verify(path: Path) -> list[str]:
    """Check a file, or all files of a folder that have a specified format; a line for each.

    Raises:
        UserError: with a line for each file that has another content than its format says, or if
            there is nothing to check.
    """
    files = sorted(_files_of(path)) if path.is_dir() else [path]
    if not files:
        raise UserError(f"{path}: no file of a specified format; known: {', '.join(_CHECKS)}")
    lines, errors = [], []
    for file in files:
        try:
            lines.append(f"{file}: {_check_of(file)(file)}")
        except UserError as error:
            errors.append(str(error))
    if errors:
        raise UserError("\n".join([f"{len(errors)} of {len(files)} files are wrong", *errors]))
    return lines


def _files_of(folder: Path) -> Iterator[Path]:
    for file in folder.rglob("*"):
        is_hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if file.is_file() and not is_hidden and any(fnmatch(file.name, each) for each in _CHECKS):
            yield file


def _check_of(file: Path) -> Callable[[Path], str]:
    for pattern, check in _CHECKS.items():
        if fnmatch(file.name, pattern):
            return check
    raise UserError(
        f"{file}: no file of a specified format; known: {', '.join(_CHECKS)}; for an experiment "
        "there is hybrid-pde check, for raw files hybrid-pde inspect"
    )


def _simulation(path: Path) -> str:
    """A cached simulation: its header, its size, and its values against the statistics."""
    simulation = open_simulation(path)
    for name, stated in simulation.statistics.items():
        tensor = simulation.fields[name].numpy()
        layout = next(each for each in simulation.layouts if each.name == name)
        _compare(path, name, tensor[None] if layout.static else tensor, stated)
    shape = " × ".join(map(str, simulation.grid.shape))
    names = ", ".join(layout.name for layout in simulation.layouts)
    return f"simulation of {simulation.num_frames} frames on {shape} points, {names}; valid"


def _compare(path: Path, name: str, values: np.ndarray, stated: ChannelStatistics) -> None:
    """Compare the values ``[T, C, *space]`` of a field with the statistics in the header."""
    for channel in range(values.shape[1]):
        blocks = [values[i : i + _BLOCK, channel] for i in range(0, len(values), _BLOCK)]
        known = [block[~np.isnan(block)].astype(np.float64) for block in blocks]
        count = sum(block.size for block in known)
        found = {
            "missing": values[:, channel].size - count,
            "min": min(block.min() for block in known if block.size),
            "max": max(block.max() for block in known if block.size),
            "mean": sum(block.sum() for block in known) / count,
        }
        largest = max(abs(found["min"]), abs(found["max"]))
        for key, value in found.items():
            expected = getattr(stated, key)[channel]
            # written so that a value that is not finite is found, too
            if not abs(value - expected) <= (0 if key == "missing" else _TOLERANCE * largest):
                raise CacheError(
                    f"{path}: {name}, channel {channel}: {key} is {value:.9g}, and "
                    f"{expected:.9g} in the header; delete the file; its stage then recomputes it"
                )


def _manifest(path: Path) -> str:
    """A manifest: its simulations exist and have the digests that it lists."""
    digests = digests_of([path], simulations_of([path]))
    for name, digest in digests.items():
        file = path.with_name(name)
        if not file.is_file():
            raise CacheError(f"{file}: is in {path.name} and does not exist; delete {path}")
        if sha256_of(file) != digest:
            raise CacheError(f"{file}: another SHA-256 than in {path.name}; delete both")
    return f"manifest of {len(digests)} simulations; valid"


def _surrogate(path: Path) -> str:
    """A surrogate: it can be rebuilt, and all weights are finite."""
    from hybrid_pde.models.surrogate_file import load_saved_model

    saved = load_saved_model(path)
    weights = sum(each.numel() for each in saved.model.parameters())
    shape = " × ".join(map(str, saved.grid.shape))
    return f"surrogate with {weights} weights for {shape} points; valid"


def _parameters(path: Path) -> str:
    """A calibration: its content, and the digests of the files beside it."""
    from hybrid_pde.models.physical.parameters_file import read_result

    result = read_result(path)
    return f"calibration of {', '.join(result['parameters'])}, {result['status']}; valid"


def _metrics(path: Path) -> str:
    """Metrics: JSON with finite numbers, or null."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    try:
        metrics = json.loads(read_small_text(path), parse_constant=refuse)
        models = [name for name, each in metrics.items() if "vrmse" in each]
        assert models, "no model with vrmse"
    except (OSError, ValueError, TypeError, AttributeError, AssertionError) as error:
        raise UserError(f"{path}: damaged: {error}; delete it and run the workflow again") from None
    return f"metrics of {', '.join(models)}; valid"


_CHECKS: Mapping[str, Callable[[Path], str]] = {
    "sim_*.safetensors": _simulation,
    "cached_*.json": _manifest,
    "generated_*.json": _manifest,
    "synthetic_model.pt": _surrogate,
    "parameters.yaml": _parameters,
    "metrics.json": _metrics,
}
