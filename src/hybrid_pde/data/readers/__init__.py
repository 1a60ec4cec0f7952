"""Readers of raw files, one module a format, found by this folder.

A reader defines ``FORMAT``, a value of ``data.format``, ``SUFFIXES``, the endings of its files, and
``open_raw(path, data)``, a context manager that yields a
:class:`hybrid_pde.data.raw_files.raw_file.RawFile`. It imports its library when it opens a file.

Optional: ``recognizes(path)``, which looks into a file whose ending several readers share, and
names the file in its errors;
``takes_folder(path)``, whether a folder is one raw file, by the names in it; and
``companions(path)``, the files beside a raw file that are read, too.
"""
