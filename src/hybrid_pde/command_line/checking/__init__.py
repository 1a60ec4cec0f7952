"""Check of an experiment: all its errors, or what it will compute and about how long it takes."""
