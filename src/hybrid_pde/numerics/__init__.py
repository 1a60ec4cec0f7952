"""Differential operators, time integrators and their stability limits, in PhiML."""
