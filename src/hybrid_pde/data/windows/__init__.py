"""Training windows: a state and the states that follow it."""
