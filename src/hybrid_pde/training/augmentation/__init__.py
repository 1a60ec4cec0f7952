"""Generation of simulations with the calibrated physical model."""
