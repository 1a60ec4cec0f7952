from .cache.cache_location import cache_directory as cache_directory
from .cache.cache_location import reading_digest as reading_digest
from .cache.cache_location import reading_settings as reading_settings
from .cache.cache_manager import CacheManager as CacheManager
from .cache.data_manager import DataManager as DataManager
from .cache.raw_index import RawIndex as RawIndex
from .cache.raw_index import build_index as build_index
from .windows.augmented_dataset import AugmentedDataset as AugmentedDataset
from .windows.hybrid_dataset import HybridDataset as HybridDataset
from .windows.window_batch import collate_windows as collate_windows

__all__ = [
    "AugmentedDataset",
    "CacheManager",
    "DataManager",
    "HybridDataset",
    "RawIndex",
    "build_index",
    "cache_directory",
    "collate_windows",
    "reading_digest",
    "reading_settings",
]
