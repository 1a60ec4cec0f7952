"""Benchmark of the calibration: data from independent solvers, comparison with other methods."""
