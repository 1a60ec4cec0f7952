"""Progress bars, which appear only on a terminal."""

import io
import sys

from hybrid_pde.progress import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_quiet_without_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert list(progress(range(3), "training")) == [0, 1, 2]
    assert sys.stderr.getvalue() == ""


def test_progress_on_a_terminal_names_stage_and_total(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert list(progress(iter("ab"), "caching", 2)) == ["a", "b"]
    shown = sys.stderr.getvalue()
    assert "caching" in shown and "0/2" in shown
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert list(progress("ab", "training", quiet=True)) == ["a", "b"]
    assert sys.stderr.getvalue() == ""
