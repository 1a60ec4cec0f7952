"""What a run in one process has finished, so that after an interruption it is not done again."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from src.data.atomic import sha256_of, write_json
from src.training.checkpoint import digest

_NOTED = TypeAdapter(dict[str, dict[str, str]])  # results of a stage and their digests


class FinishedStages:
    """A note of the stages whose results are whole, by the digest of all that decides them.

    It holds while a run is under way; the results that it names count only as they were written.

    Args:
        folder: The experiment's results, in which the note lies too.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._note = folder / "checkpoints" / "finished.json"

    def has(self, identity: Mapping[str, Any]) -> bool:
        """Whether a stage of this identity has ended and its results are as they were written."""
        results = self._read().get(digest(identity))
        return results is not None and all(
            (self._folder / name).is_file() and sha256_of(self._folder / name) == expected
            for name, expected in results.items()
        )

    def add(self, identity: Mapping[str, Any], results: Iterable[Path]) -> None:
        """Note a stage that has ended, and the files that it has written."""
        found = {str(path.relative_to(self._folder)): sha256_of(path) for path in results}
        write_json(self._note, {**self._read(), digest(identity): found})

    def forget(self) -> None:
        """Remove the note: the run has ended."""
        self._note.unlink(missing_ok=True)

    def _read(self) -> dict[str, dict[str, str]]:
        try:
            return _NOTED.validate_json(self._note.read_bytes())
        except (OSError, ValueError):
            return {}
