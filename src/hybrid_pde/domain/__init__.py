"""Grid, boundary conditions and per-simulation parameters: plain data that every part imports."""
