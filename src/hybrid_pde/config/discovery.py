"""Discovery of equations, architectures and readers by the folder they are in."""

import importlib
import pkgutil


def modules_in(package: str) -> list[str]:
    """Dotted names of the modules in a package's folders, without those that begin with ``_``.

    Args:
        package: Dotted name of the package. A folder that is appended to its ``__path__`` is
            searched, too.
    """
    folders = importlib.import_module(package).__path__
    found = (info.name for info in pkgutil.iter_modules(folders))
    return [f"{package}.{name}" for name in sorted(found) if not name.startswith("_")]
