"""Grid, boundary conditions, per-simulation parameters, units and run folders: shared plain data."""
