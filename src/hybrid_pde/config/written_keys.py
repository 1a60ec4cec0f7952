"""Keys in error messages as the user has written them: in the file, or on the command line."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from hybrid_pde.errors import ConfigError

STAGE_NAMES = ("physical", "synthetic")
COMMAND_LINE = "command line"
_TRAINING_KEY = re.compile(rf"\btrainer_params\.(?:({'|'.join(STAGE_NAMES)})\.)?(\w+)")


class WrittenKeys:
    """The keys of an experiment file and of the settings that override it.

    Args:
        raw: The experiment as written, with the settings that override the file.
        overridden: Dotted keys of those settings.
        source: The file, with which the lines of its errors begin.
    """

    def __init__(self, raw: Mapping[str, Any], overridden: Collection[str], source: str) -> None:
        training = raw.get("trainer_params")
        self._training = training if isinstance(training, Mapping) else {}
        self._overridden = {_without_stage(key) for key in overridden}
        self._source = source

    def message(self, text: str) -> str:
        """The message with keys as written, and settings of the command line blamed on it."""
        return "\n".join(self._line(line) for line in text.split("\n"))

    def _line(self, line: str) -> str:
        line = _TRAINING_KEY.sub(lambda found: self._written(found[1], found[2]), line)
        start = f"{self._source}: "
        if line.startswith(start) and self._is_overridden(line.removeprefix(start)):
            return f"{COMMAND_LINE} (over {self._source}): {line.removeprefix(start)}"
        return line

    def _written(self, stage: str | None, key: str) -> str:
        flat = f"trainer_params.{key}"
        sections = {each: self._training.get(each) for each in STAGE_NAMES}
        places = [n for n, each in sections.items() if isinstance(each, Mapping) and key in each]
        if stage is None:
            is_nested = key not in self._training and len(places) == 1
            return f"trainer_params.{places[0]}.{key}" if is_nested else flat
        is_flat = stage not in places and key in self._training
        return flat if is_flat else f"trainer_params.{stage}.{key}"

    def _is_overridden(self, message: str) -> bool:
        key = _without_stage(re.split(r"[:\[]", message, maxsplit=1)[0])
        return any(
            key == each or key.startswith(f"{each}.") or each.startswith(f"{key}.")
            for each in self._overridden
        )


@contextmanager
def keys_as_written(written: Callable[[], WrittenKeys]) -> Iterator[None]:
    """Write the keys in the message of a :class:`ConfigError` as the user has written them.

    Args:
        written: Gives the keys; called only after an error.
    """
    try:
        yield
    except ConfigError as error:
        raise ConfigError(written().message(str(error))) from error.__cause__


def _without_stage(key: str) -> str:
    found = _TRAINING_KEY.match(key)
    return key if found is None else f"trainer_params.{found[2]}{key[found.end() :]}"
