"""Benchmarks of accuracy, speed and cost; ``docs/benchmarks.md`` has their figures."""

import src  # noqa: F401  # the alias finds the library where it is not installed
