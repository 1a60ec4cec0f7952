"""Raw files, the cache, and the data sets that training reads.

The public names are loaded on first use, so that importing the package costs neither torch nor
PhiFlow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from src.data.augmented_dataset import AugmentedDataset
    from src.data.cache_manager import CacheManager
    from src.data.data_manager import DataManager
    from src.data.grid import FieldLayout, Grid
    from src.data.hybrid_dataset import HybridDataset
    from src.data.index import RawIndex, build_index
    from src.data.reading import cache_directory, reading_digest, reading_settings
    from src.data.window_batch import collate_windows

_HOME = {
    "AugmentedDataset": "src.data.augmented_dataset",
    "CacheManager": "src.data.cache_manager",
    "DataManager": "src.data.data_manager",
    "FieldLayout": "src.data.grid",
    "Grid": "src.data.grid",
    "HybridDataset": "src.data.hybrid_dataset",
    "RawIndex": "src.data.index",
    "build_index": "src.data.index",
    "cache_directory": "src.data.reading",
    "collate_windows": "src.data.window_batch",
    "reading_digest": "src.data.reading",
    "reading_settings": "src.data.reading",
}

__all__ = [
    "AugmentedDataset",
    "CacheManager",
    "DataManager",
    "FieldLayout",
    "Grid",
    "HybridDataset",
    "RawIndex",
    "build_index",
    "cache_directory",
    "collate_windows",
    "reading_digest",
    "reading_settings",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
