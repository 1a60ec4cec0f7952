"""The architectures, one folder each, found by their place in this folder."""
