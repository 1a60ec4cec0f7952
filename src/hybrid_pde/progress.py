"""Progress bars of long stages, on a terminal only."""

from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def progress(
    iterable: Iterable[Item], description: str, total: int | None = None, *, quiet: bool = False
) -> Iterable[Item]:
    """The items one by one, with a bar that says how many are done and how long the rest takes.

    Without a terminal (in a job, in a file of messages) there is no bar.

    Args:
        iterable: What is gone through.
        description: What is done, e.g. ``training``.
        total: Number of items, where the iterable does not tell it.
        quiet: Whether to show no bar, in the second of several processes for example.
    """
    # None asks tqdm to look for a terminal
    return tqdm(iterable, description, total, leave=False, disable=True if quiet else None)
