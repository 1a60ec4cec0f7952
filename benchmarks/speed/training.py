"""Training rate of the trainer against a bare PyTorch loop over the same windows in memory."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

from benchmarks.speed.ratios import Ratio
from benchmarks.training_rate import CASES, SIMULATIONS, TARGET, Case, measure
from hybrid_pde.data.cache.cache_manager import CacheManager

_RUNS, _STEPS = 9, 24


def training_rates() -> Iterator[Ratio]:
    """Each case from a cache in memory and from one that is not."""
    with tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate(CASES):
            store = case.made.write_cache(Path(folder) / str(number), SIMULATIONS)
            for is_cold in (False, True):
                yield _rate(case, store, is_cold, _RUNS)


def quick_rate() -> Ratio:
    """The case with the shortest steps, of which the trainer itself takes the largest part."""
    case = CASES[1]
    with tempfile.TemporaryDirectory() as folder:
        store = case.made.write_cache(Path(folder), SIMULATIONS)
        return _rate(case, store, is_cold=False, runs=5)


def _rate(case: Case, store: CacheManager, is_cold: bool, runs: int) -> Ratio:
    pairs = measure(case, store, _STEPS, runs, is_cold)
    ratios = [theirs.wall / ours.wall for ours, theirs in pairs]
    low, _, high = quantiles(ratios, n=4)
    return Ratio(
        f"training, {case.name}, cache {'on disk' if is_cold else 'in memory'}",
        "bare PyTorch loop",
        median(ratios),
        low,
        high,
        median(ours.wall for ours, _ in pairs),
        median(theirs.wall for _, theirs in pairs),
        len(pairs),
        TARGET,
    )
