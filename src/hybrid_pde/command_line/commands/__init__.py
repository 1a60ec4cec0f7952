"""The commands, one module each, found by their names.

A module defines ``command``, a function whose annotated arguments are the command's, and whose
docstring is its help. It imports at its top only what is light: the libraries that do the work are
imported in the function, so that ``hybrid-pde --help`` answers at once.
"""
