"""The equations, one file each, found by their place in this folder."""
