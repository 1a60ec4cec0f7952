"""Plain data for every part: grid, boundary, per-simulation parameters, units, run folders."""
