"""Digests computed in another thread, while this one reads or writes."""

import threading
from collections.abc import Callable
from concurrent.futures import Future


class BackgroundDigest:
    """A digest that is computed from now on.

    ``hashlib`` releases the interpreter's lock, so the other thread runs on another core. It does
    not keep the program from ending.

    Args:
        compute: Computes the digest.
    """

    def __init__(self, compute: Callable[[], str]) -> None:
        self._digest: Future[str] = Future()
        threading.Thread(target=self._run, args=(compute,), daemon=True).start()

    def result(self) -> str:
        """The digest, once it is computed; raises the errors of ``compute``."""
        return self._digest.result()

    def _run(self, compute: Callable[[], str]) -> None:
        try:
            self._digest.set_result(compute())
        except Exception as error:
            self._digest.set_exception(error)
