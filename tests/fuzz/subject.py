"""What a kind of file offers to the fuzz suite."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Subject(ABC):
    """A kind of file.

    Attributes:
        file_name: Name that such a file may have.
    """

    file_name: str

    @abstractmethod
    def make(self, path: Path, content: Any) -> None:
        """Write a file of the content that a strategy has drawn."""

    @abstractmethod
    def whole(self, folder: Path, seed: int) -> bytes:
        """The bytes of a valid file."""

    @abstractmethod
    def read(self, path: Path) -> Any:
        """Read the file with the project's code."""

    def size(self, found: Any) -> int:
        """Bytes of what was read."""
        return 0

    @abstractmethod
    def difference(self, path: Path, found: Any) -> str | None:
        """What differs from what a plain library reads; ``None`` where nothing does."""
