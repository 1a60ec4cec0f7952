"""Calibration against data made by independent solvers, and against what others do."""
