"""Formats of raw files: the values of ``data.format``, from the readers found in their folder."""

import importlib
from functools import cache
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from hybrid_pde.config.discovery import modules_in
from hybrid_pde.config.error_messages import suggest

READERS = "hybrid_pde.data.readers"
AUTO = "auto"  # the reader follows from the file's name and content


def reader_modules() -> dict[str, str]:
    """Dotted name of the reader's module by format."""
    return _modules(tuple(importlib.import_module(READERS).__path__))


@cache
def _modules(folders: tuple[str, ...]) -> dict[str, str]:
    """The readers in some folders, which are searched once, not for each of thousands of files."""
    return {importlib.import_module(name).FORMAT: name for name in modules_in(READERS)}


def _check_format(name: str) -> str:
    allowed = [AUTO, *reader_modules()]
    if name not in allowed:
        message = suggest(name, allowed).removeprefix(f"{name!r} is ")  # the caller adds the value
        raise PydanticCustomError("unknown_format", "{message}", {"message": message})
    return name


def _add_choices(json_schema: dict[str, Any]) -> None:
    json_schema["enum"] = [AUTO, *reader_modules()]


RawFormat = Annotated[str, AfterValidator(_check_format), Field(json_schema_extra=_add_choices)]
