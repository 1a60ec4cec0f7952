"""Digests that are computed while the caller does something else."""

import threading

import pytest

from hybrid_pde.data.cache.background_digest import BackgroundDigest


def test_the_caller_goes_on_and_gets_the_digest_later():
    may_end = threading.Event()

    def compute() -> str:
        assert may_end.wait(10)
        return "abc"

    digest = BackgroundDigest(compute)
    may_end.set()
    assert digest.result() == digest.result() == "abc"


def test_an_error_reaches_the_caller():
    def fail() -> str:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        BackgroundDigest(fail).result()
