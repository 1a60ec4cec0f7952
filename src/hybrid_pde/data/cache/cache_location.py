"""Location of a cache: its reading settings, their digest, and its folder."""

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hybrid_pde.config import Experiment, parse_experiment
from hybrid_pde.data.atomic import temporary_sibling
from hybrid_pde.domain.small_file import read_small_text
from hybrid_pde.errors import CacheError

CLAIM = "reading.json"
DIGEST_LENGTH = 8
# keys of the ``data`` section that are not paths
KEYS = (
    "fields", "format", "variables", "dims", "domain", "boundary", "time_unit", "select",
)  # fmt: skip


def reading_settings(config: Mapping[str, Any] | Experiment) -> dict[str, Any]:
    """All settings that determine what is read from given raw files, as JSON types; no paths."""
    data = parse_experiment(config).data.model_dump(mode="json")
    settings = {key: data[key] for key in KEYS}
    # only if they are used, so that other experiments' caches keep their folders
    for key in ("known_parameters", "directions", "derive"):
        if data[key]:
            settings[key] = data[key]
    if data["observations"] is not None and data["observations"]["missing"] != "error":
        settings["missing"] = data["observations"]["missing"]
    return settings


def reading_digest(config: Mapping[str, Any] | Experiment) -> str:
    """Digest of :func:`reading_settings`, eight hexadecimal digits."""
    return digest_of(reading_settings(config))


def digest_of(settings: Mapping[str, Any]) -> str:
    """Digest of settings, independent of the order of their keys."""
    canonical = json.dumps(settings, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:DIGEST_LENGTH]


def cache_directory(config: Mapping[str, Any] | Experiment, claim: bool) -> Path:
    """Folder of the experiment's cached simulations.

    The first reading settings of a data set claim ``<cache>/<dset_name>`` with the file
    ``reading.json``; other settings get a folder in it that is named by their digest.

    Args:
        config: The experiment.
        claim: Whether to claim the folder if it is unclaimed.

    Raises:
        CacheError: if the existing claim is damaged.
    """
    experiment = parse_experiment(config)
    return claimed_directory(experiment.cache_root / experiment.data.dset_name, experiment, claim)


def claimed_directory(base: Path, experiment: Experiment, claim: bool) -> Path:
    """Like :func:`cache_directory`, below the data set's folder ``base``."""
    settings = reading_settings(experiment)
    own = base / digest_of(settings)
    first = _claim_of(base)
    if first is None and claim:
        _write_claim(base, settings, experiment.raw_dir)
        first = _claim_of(base)
    if first is None or first == settings:
        return base
    if claim and _claim_of(own) is None:
        _write_claim(own, settings, experiment.raw_dir)
    return own


def _claim_of(directory: Path) -> Any:
    """The settings that claimed a folder; ``None`` if it is unclaimed."""
    path = directory / CLAIM
    try:
        text = read_small_text(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CacheError(f"{path}: cannot be read: {error}") from None
    except UnicodeDecodeError:
        text = ""
    try:
        return json.loads(text)["settings"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CacheError(
            f"{path}: damaged; delete the folder {directory}, the cache is then recomputed"
        ) from None


def _write_claim(directory: Path, settings: Mapping[str, Any], raw_dir: Path) -> None:
    """Claim a folder unless another process is first."""
    claim = {"settings": settings, "raw_dir": str(raw_dir)}
    temporary = temporary_sibling(directory / CLAIM)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(claim, indent=1, ensure_ascii=False) + "\n", "utf-8")
        try:
            # A link appears complete or not at all, and never replaces another one.
            with contextlib.suppress(FileExistsError):
                os.link(temporary, directory / CLAIM)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise CacheError(
            f"{directory}: cannot be written: {error}; set data.cache_dir to a folder that can be"
        ) from None
