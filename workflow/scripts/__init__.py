"""One thin command-line program a rule."""
