"""Metadata of a Zarr store, checked before the store is opened.

A codec can unpickle what it decodes, so only codecs are allowed that turn bytes into numbers.
"""

import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from hybrid_pde.data.raw_files.folder_files import files_in
from hybrid_pde.data.raw_files.guards import check_size
from hybrid_pde.domain.small_file import MIB, read_small_bytes
from hybrid_pde.errors import RawDataError

VERSION_3 = "zarr.json"
NAMES = (VERSION_3, ".zarray", ".zgroup", ".zattrs", ".zmetadata")
# compressors, checksums and filters of zarr and numcodecs; not: pickle, json, msgpack, categorize
CODECS = {
    "bytes", "endian", "transpose", "sharding_indexed", "crc32c", "blosc", "gzip", "zstd", "zlib",
    "bz2", "lzma", "lz4", "shuffle", "bitshuffle", "delta", "fixedscaleoffset", "quantize",
    "bitround", "packbits", "astype", "crc32", "adler32", "fletcher32", "jenkins_lookup3", "zfpy",
    "pcodec", "vlen-utf8", "vlen-bytes",
}  # fmt: skip
PREFIX = "numcodecs."  # of the same codecs in version 3
MAX_BYTES = 16 * MIB  # of a metadata file
MAX_DEPTH = 50


def check_store(path: Path) -> None:
    """Reject a store that cannot be opened safely.

    Raises:
        RawDataError: if it holds links, metadata that is no JSON, unknown codecs, or a chunk that
            does not fit into memory; without the store's path.
    """
    found = False
    for name, content in _metadata(path):
        try:
            stated = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise RawDataError(f"{name}: no valid JSON: {error}") from None
        found = True
        for part in _mappings(stated, name):
            if "shape" in part:
                _check_array(part, name)
    if not found:
        raise RawDataError(
            "not a Zarr store: it holds neither zarr.json (version 3) nor .zgroup or .zarray "
            "(version 2)"
        )


def _metadata(path: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the metadata files of a store."""
    if path.is_dir():
        for each in files_in(path):
            if each.name in NAMES:
                yield str(each.relative_to(path)), read_small_bytes(each, MAX_BYTES)
        return
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if PurePosixPath(member.filename).name in NAMES:
                if member.file_size > MAX_BYTES:
                    raise RawDataError(f"{member.filename}: {member.file_size} bytes of metadata")
                yield member.filename, archive.read(member)


def _mappings(value: Any, name: str, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """All mappings in a metadata file; consolidated metadata contain those of all arrays."""
    if depth > MAX_DEPTH:
        raise RawDataError(f"{name}: nested more than {MAX_DEPTH} times")
    if isinstance(value, dict):
        yield value
    inside = value.values() if isinstance(value, dict) else value
    for each in inside if isinstance(value, dict | list) else ():
        yield from _mappings(each, name, depth + 1)


def _check_array(stated: Mapping[str, Any], name: str) -> None:
    """Check codecs and chunks of an array."""
    for key in ("codecs", "filters", "compressor", "object_codec", "storage_transformers"):
        given = stated.get(key)
        for codec in given if isinstance(given, list) else [given] if given else []:
            _check_codec(codec, name)
    grid = stated.get("chunk_grid")
    inside = grid.get("configuration", {}) if isinstance(grid, dict) else {}
    own = inside.get("chunk_shape") if isinstance(inside, dict) else None
    chunk: Any = stated.get("chunks") or own
    is_sharded = any(codec.get("name") == "sharding_indexed" for codec in _codecs(stated))
    is_list = isinstance(chunk, list) and all(isinstance(each, int) for each in chunk)
    if is_list and not is_sharded:  # a shard is read in parts
        check_size(f"{name}: a chunk", chunk)


def _codecs(stated: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    given = stated.get("codecs")
    return [each for each in given if isinstance(each, dict)] if isinstance(given, list) else []


def _check_codec(codec: Any, name: str) -> None:
    """Reject a codec that is not known to decode numbers only; also those within a shard."""
    stated = {"name": codec} if isinstance(codec, str) else codec
    if not isinstance(stated, dict):
        raise RawDataError(f"{name}: the codec {codec!r:.80} is no mapping")
    kind = str(stated.get("id", stated.get("name"))).removeprefix(PREFIX)
    if kind not in CODECS:
        raise RawDataError(
            f"{name}: the codec {kind!r} is not allowed (it may run code or is unknown); write the "
            "store again with zstd, blosc or gzip: xarray.open_zarr('a.zarr').to_zarr('b.zarr')"
        )
    configuration = stated.get("configuration")
    if isinstance(configuration, dict):
        for key in ("codecs", "index_codecs"):
            for inner in configuration.get(key) or []:
                _check_codec(inner, name)
