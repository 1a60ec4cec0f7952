"""Damage to files: corrupted bytes, and other objects in place of a file."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

BITS = 8


def _truncate(content: bytearray, random: np.random.Generator) -> bytes:
    return bytes(content[: random.integers(len(content))])


def _flip(content: bytearray, random: np.random.Generator) -> bytes:
    for place in random.integers(len(content), size=random.integers(1, 9)):
        content[place] ^= 1 << int(random.integers(BITS))
    return bytes(content)


def _fill(content: bytearray, random: np.random.Generator) -> bytes:
    """A stretch of zeros or ones: numbers and lengths become zero, huge, or NaN."""
    first, length = random.integers(len(content)), random.integers(1, 17)
    value = random.choice(np.array([0, 0x7F, 0x80, 0xFF], np.uint8))
    content[first : first + length] = bytes([value]) * len(content[first : first + length])
    return bytes(content)


def _scramble(content: bytearray, random: np.random.Generator) -> bytes:
    first, length = random.integers(len(content)), random.integers(1, 257)
    content[first : first + length] = random.bytes(len(content[first : first + length]))
    return bytes(content)


def _cut(content: bytearray, random: np.random.Generator) -> bytes:
    first = random.integers(len(content))
    del content[first : first + random.integers(1, 257)]
    return bytes(content)


def _repeat(content: bytearray, random: np.random.Generator) -> bytes:
    first = random.integers(len(content))
    piece = content[first : first + random.integers(1, 257)]
    return bytes(content[:first] + piece + content[first:])


def _lengthen(content: bytearray, random: np.random.Generator) -> bytes:
    return bytes(content) + random.bytes(random.integers(1, 1000))


def _wrong_magic(content: bytearray, random: np.random.Generator) -> bytes:
    content[:8] = random.bytes(8)
    return bytes(content)


def _empty(content: bytearray, random: np.random.Generator) -> bytes:
    return b""


BYTES: dict[str, Callable[[bytearray, np.random.Generator], bytes]] = {
    "flipped": _flip,
    "truncated": _truncate,
    "filled": _fill,
    "scrambled": _scramble,
    "cut": _cut,
    "repeated": _repeat,
    "lengthened": _lengthen,
    "wrong magic": _wrong_magic,
    "empty": _empty,
}
# other objects in place of a file; a few cases of each are enough
PLACES = ("directory", "link loop", "dangling link", "pipe", "absent", "odd name")
ODD_NAMES = ("with space", "ünïcödé Ω", "quote'\"", "$(touch x);", "-option", "new\nline", "%s{0}")


def damaged(content: bytes, kind: str, random: np.random.Generator) -> bytes:
    """The bytes of a file after one kind of damage."""
    return BYTES[kind](bytearray(content), random)


def put_in_place(path: Path, content: bytes, kind: str, random: np.random.Generator) -> Path:
    """Put another object where a file is expected; returns its path."""
    if kind == "directory":
        path.mkdir()
    elif kind == "link loop":
        path.symlink_to(path.name)
    elif kind == "dangling link":
        path.symlink_to("nowhere")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "odd name":
        path = path.with_name(str(random.choice(np.array(ODD_NAMES))) + path.suffix)
        path.write_bytes(content)
    else:
        assert kind == "absent", kind
    return path
