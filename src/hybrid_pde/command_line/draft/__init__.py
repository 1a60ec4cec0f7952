"""Draft of an experiment for given raw files: equation, guesses, split, and the file's text."""
