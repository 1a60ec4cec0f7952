"""Error measures and diagnostics of rollouts."""
