"""Differential operators, time integrators and stability limits on PhiML tensors."""
