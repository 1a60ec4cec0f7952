"""Progress bars for long stages, shown only on a terminal."""

from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def progress(
    iterable: Iterable[Item], description: str, total: int | None = None, *, quiet: bool = False
) -> Iterable[Item]:
    """Iterate over the items and show a progress bar with the remaining time.

    Without a terminal (in a cluster job, or with output sent to a log file) no bar is shown.

    Args:
        iterable: The items.
        description: Label of the bar, e.g. ``training``.
        total: Number of items, if the iterable has no length.
        quiet: Show no bar, e.g. in all but the first of several processes.
    """
    # None asks tqdm to look for a terminal
    return tqdm(iterable, description, total, leave=False, disable=True if quiet else None)
