"""Raw files, the cache, and the data sets that training reads."""

from src.exports import on_first_use

_HOMES = {
    "AugmentedDataset": "augmented_dataset",
    "CacheManager": "cache_manager",
    "DataManager": "data_manager",
    "FieldLayout": "grid",
    "Grid": "grid",
    "HybridDataset": "hybrid_dataset",
    "RawIndex": "index",
    "build_index": "index",
    "cache_directory": "reading",
    "collate_windows": "window_batch",
    "reading_digest": "reading",
    "reading_settings": "reading",
}
__all__ = sorted(_HOMES)

__getattr__ = on_first_use(__name__, _HOMES)
