"""Progress bars, which appear only on a terminal."""

import io
import logging
import sys
import time

from hybrid_pde.progress import (
    MessageHandler,
    begin_phase,
    count_step,
    counted_steps,
    progress,
)


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


def test_a_search_shows_its_phase_its_steps_and_a_bound_on_the_time_left(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with counted_steps("choosing start and scheme"):
        count_step(loss=1.0)
        begin_phase("calibrating", 3)
        for loss in (0.5, 0.25):
            time.sleep(0.11)  # bars are drawn ten times a second
            count_step(loss=loss)
    shown = sys.stderr.getvalue()
    assert "choosing start and scheme" in shown
    assert "calibrating: 3 steps" in shown and "loss 0.25, at most 0 s left" in shown
    count_step(loss=0.0)  # outside of a search nothing is counted
    assert sys.stderr.getvalue() == shown


def test_a_message_stands_on_a_line_of_its_own_above_the_bar(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    logger = logging.getLogger("test_progress")
    logger.propagate = False
    logger.addHandler(MessageHandler(terminal))
    for _ in progress(range(2), "training"):
        logger.warning("the loss is large")
    drawn = terminal.getvalue()
    assert drawn.count("the loss is large\n") == 2
    for start in range(len(drawn)):
        if drawn.startswith("the loss is large", start):
            assert drawn[start - 1] in "\r\n"
