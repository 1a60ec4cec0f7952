"""Benchmark of surrogates: training rate, reading rate, gain from generated data."""
