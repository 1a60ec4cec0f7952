"""Differential operators on periodic boxes, time stepping and its stability limit, in PhiML."""
