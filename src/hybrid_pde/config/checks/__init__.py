"""Consistency checks that a schema cannot express."""
