"""The report in headless Chromium without a network: no errors, slider, phone, print."""

from pathlib import Path

import numpy as np
import pytest

from hybrid_pde.domain.stated_units import StatedUnits
from hybrid_pde.evaluation.figures.residual_figures import residual_panels
from hybrid_pde.evaluation.figures.rollout_frames import describe_rollout
from hybrid_pde.evaluation.figures.vector_files import save_vector
from hybrid_pde.evaluation.report.html_report import ReportInputs, write_report
from hybrid_pde.evaluation.rollout_samples import make_sample
from tests.browser import CHROMIUM, browser
from tests.unit.evaluation_cases import waves
from tests.unit.test_report import EXPERIMENT, PARAMETERS

SHAPES = {"plane": (12, 10), "line": (16,)}
MOVE = """(value => {
  const range = document.querySelector(".rollout input");
  range.value = value;
  range.dispatchEvent(new Event("input"));
  return document.querySelector(".rollout output").textContent;
})"""
RESIDUALS = {
    "by_time": [0.1, 0.2], "dt": 0.1, "axes": ["x", "y"], "lower": [0, 0], "upper": [1, 1],
    "map": [[0.1, 0.2], [0.3, None]], "mean_map": [[0.1, -0.2], [0.3, None]],
    "correlation": {"time": {"step": 0.1, "values": [1.0, 0.2]}},
}  # fmt: skip

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no headless browser: apt-get install chromium"
)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A report of simulations in two dimensions and one in one."""
    folder = tmp_path_factory.mktemp("pages")
    drawings = {
        name: save_vector(folder, name, figure)
        for name, figure in residual_panels(RESIDUALS, StatedUnits(length="km")).items()
    }
    found = {}
    for name, shape in SHAPES.items():
        simulation = waves(shape)
        truth = {"velocity": simulation.fields["velocity"].numpy()}
        rollouts = {"synthetic": {"velocity": truth["velocity"][1:] + np.float32(0.1)}}
        sample = make_sample(4, simulation, truth, rollouts)
        rollout = {"title": "median and worst", **describe_rollout(sample)}
        found[name] = folder / f"{name}.html"
        inputs = ReportInputs(
            EXPERIMENT, parameters=PARAMETERS, drawings=drawings, frames={"simulations": [rollout]}
        )
        write_report(found[name], inputs)
    return found


def test_slider_moves_the_frames_and_nothing_fails(pages, tmp_path) -> None:
    with browser(tmp_path / "profile") as tab:
        for page in pages.values():
            tab.open(page, 1200)
            tab.evaluate("document.querySelector('.rollout').scrollIntoView()")
            last = tab.picture()
            assert tab.evaluate(f"{MOVE}(0)") == "t = 0 (step 0)"
            first = tab.picture()
            assert first != last
            assert tab.evaluate(f"{MOVE}(4)") == "t = 0.2 (step 4)"
            assert tab.picture() != first
            tab.open(page, 390)
            assert tab.evaluate("document.documentElement.scrollWidth") == 390
            tab.open(page, 800, media="print")
            shown = "getComputedStyle(document.querySelector('{}')).display"
            assert tab.evaluate(shown.format(".slider")) == "none"
            assert tab.evaluate(shown.format(".strip")) == "grid"
            tab.open(page, 800, prefers_color_scheme="dark")
            ink = "getComputedStyle(document.querySelector('.figures svg text')).fill"
            assert tab.evaluate(ink) == "rgb(228, 230, 232)"
        assert tab.errors == []


def test_a_script_that_is_not_the_reports_is_refused(pages, tmp_path) -> None:
    foreign = tmp_path / "page.html"
    text = pages["line"].read_text(encoding="utf-8")
    foreign.write_text(text.replace("</main>", "<script>alert(1)</script></main>"))
    with browser(tmp_path / "profile") as tab:
        tab.open(foreign, 800)
        tab.evaluate("1")
        assert any("Content Security Policy" in error for error in tab.errors)
