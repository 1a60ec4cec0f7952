"""Finished results, kept for a job that is started again although nothing has changed.

Snakemake starts every job after one that it had to run again, and deletes its outputs, even if the
earlier job has written the same bytes: raw files that were moved are cached again, which would
train everything again. The results of a training are therefore kept as links to the same files.
"""

import json
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hybrid_pde.data.atomic import atomic_path, sha256_of, write_json
from hybrid_pde.domain.small_file import read_small_text
from hybrid_pde.training.checkpoint import digest

RECORD, FOLDER = "kept.json", ".kept"
MAX_RECORD_BYTES = 2**20  # a few names and digests
logger = logging.getLogger(__name__)


class KeptResults:
    """The last finished results of a training.

    Args:
        folder: Folder for them, in that of the results.
        identity: Everything that determines the results (settings, code, inputs), as JSON types.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        self._folder, self._digest = folder, digest(identity)

    def restore(self, outputs: Sequence[Path]) -> bool:
        """Write the outputs again if results of the same identity are kept unchanged.

        Args:
            outputs: The files; kept ones of other names are restored beside the first.

        Returns:
            Whether they were restored.
        """
        try:
            record = json.loads(read_small_text(self._folder / RECORD, MAX_RECORD_BYTES))
            files = dict(record["files"])
            if record["identity"] != self._digest or any(Path(n).name != n for n in files):
                return False
            if any(sha256_of(self._folder / name) != found for name, found in files.items()):
                return False
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return False
        targets = {path.name: path for path in outputs}
        if not set(targets) <= set(files):
            return False
        # the first output last, since it refers to the others
        for name in sorted(files, key=lambda name: name == outputs[0].name):
            target = targets.get(name, outputs[0].parent / name)
            with atomic_path(target) as temporary:
                shutil.copyfile(self._folder / name, temporary)
        logger.info(
            "data, settings and code are those of the last training, whose results are taken; to "
            "train again, delete %s", self._folder,
        )  # fmt: skip
        return True

    def keep(self, outputs: Sequence[Path]) -> None:
        """Keep finished outputs instead of those before."""
        shutil.rmtree(self._folder, ignore_errors=True)
        try:
            self._folder.mkdir(parents=True)
            for path in outputs:
                _link(path, self._folder / path.name)
            files = {path.name: sha256_of(path) for path in outputs}
            write_json(self._folder / RECORD, {"identity": self._digest, "files": files})
        except OSError as error:  # a full disk, or one without links
            logger.info("%s: results are not kept: %s", self._folder, error)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
