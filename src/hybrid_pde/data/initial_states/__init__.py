"""Initial states of generated simulations."""
