"""Training in which the two models teach each other."""
