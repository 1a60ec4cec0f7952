"""Readers of raw files, one module a format, found by this folder.

A reader defines ``FORMAT``, a value of ``data.format``, ``SUFFIXES``, the endings of its files, and
``open_raw(path, data)``, a context manager that yields a
:class:`hybrid_pde.data.raw_files.raw_file.RawFile`. It imports its library when it opens a file.
"""
