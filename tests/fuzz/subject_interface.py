"""Interface of a kind of file in the fuzz suite."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Subject(ABC):
    """A kind of file.

    Attributes:
        file_name: A valid name of such a file.
    """

    file_name: str

    @abstractmethod
    def make(self, path: Path, content: Any) -> None:
        """Write a file with the content drawn by a strategy."""

    @abstractmethod
    def whole(self, folder: Path, seed: int) -> bytes:
        """The bytes of a valid file."""

    @abstractmethod
    def read(self, path: Path) -> Any:
        """Read the file with the project's code."""

    def name_in_errors(self, path: Path) -> str:
        """The name that an error has to contain: that of the file."""
        return path.name

    def size(self, found: Any) -> int:
        """Size in bytes of the values that were read."""
        return 0

    @abstractmethod
    def difference(self, path: Path, found: Any) -> str | None:
        """Difference from the reference reader's values; ``None`` if there is none."""
