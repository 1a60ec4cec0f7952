"""Raw files: labelled contents, blocks of values, and reading in a subprocess."""
