"""Files with the settings of a stage, which Snakemake's jobs get by path.

A file's name contains the digest of its content. So Snakemake, which compares the path, re-runs a
stage when its settings change, and a job finds its settings whichever call wrote them. Settings
may be of any size; a command line may not.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from hybrid_pde.data.atomic import atomic_path
from hybrid_pde.domain.small_file import read_small_text
from hybrid_pde.errors import ConfigError

DIRECTORY = Path(".snakemake") / "stage_settings"  # in the working directory
_DIGEST_LENGTH = 16


def settings_file(stage: str, settings: str, write: bool) -> str:
    """Path of the file with the settings of a stage, relative to the working directory.

    Args:
        stage: Name of the stage.
        settings: Its settings as JSON.
        write: Whether to write the file if it does not exist; false in a dry run.

    Raises:
        StorageError: if it cannot be written.
    """
    digest = hashlib.sha256(settings.encode()).hexdigest()[:_DIGEST_LENGTH]
    path = DIRECTORY / f"{stage}_{digest}.json"
    if write and not _has(path, settings):
        with atomic_path(path) as temporary:
            temporary.write_text(settings, "utf-8")
    return str(path)


def read_settings(path: Path) -> dict[str, Any]:
    """The settings in a file.

    Raises:
        ConfigError: if it cannot be read, or is not a JSON object.
    """
    try:
        settings = json.loads(read_small_text(path))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not a JSON file: {error}") from None
    if not isinstance(settings, dict):
        raise ConfigError(f"{path}: must contain a JSON object, not {settings!r:.80}")
    return settings


def _has(path: Path, settings: str) -> bool:
    """True if the file exists and is undamaged."""
    try:
        return path.read_text("utf-8") == settings
    except (OSError, ValueError):
        return False
