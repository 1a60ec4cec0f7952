"""The tutorial and the notebook print what they show; a run takes minutes."""

import re
import shutil
from pathlib import Path

import nbformat
import numpy as np
import pytest

from docs.run_page import commands, with_outputs
from tests.conftest import ROOT
from tests.docs.pages import DOCS

NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?: ?[×e] ?1?0?[-⁻]?[\d⁰¹²³⁴-⁹]+)?")
# times depend on the machine
VOLATILE = re.compile(r"about|Elapsed time|Complete log|slower")


def comparable(text: str) -> list[str]:
    """The lines of a text with its numbers and columns taken out."""
    lines = [line for line in text.splitlines() if not VOLATILE.search(line)]
    return [" ".join(NUMBER.sub("#", line).split()) for line in lines]


def test_outputs_replace_those_of_the_page(tmp_path: Path) -> None:
    shown = "$ echo one; echo two\nthree\n$ seq 3\n…\nold\n"
    assert commands(shown) == [("echo one; echo two", "three\n"), ("seq 3", "…\nold\n")]
    page = f"```python\n# a.py\nprint(1)\n```\n```console\n{shown}$ cat a.py\n```\n"
    assert with_outputs(page, tmp_path) == (
        "```python\n# a.py\nprint(1)\n```\n```console\n"
        "$ echo one; echo two\none\ntwo\n$ seq 3\n…\n3\n$ cat a.py\n# a.py\nprint(1)\n```\n"
    )


def test_a_command_that_fails_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"false: exit code 1"):
        with_outputs("```console\n$ false\n```\n", tmp_path)


@pytest.mark.nightly
def test_the_tutorial_prints_what_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("workflow", "config", "profiles", "src"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "Snakefile", tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{tmp_path / 'src'}")
    page = (DOCS / "tutorial.md").read_text(encoding="utf-8")
    found = with_outputs(page, tmp_path)
    assert comparable(found) == comparable(page)
    (value,) = re.findall(r"^diffusivity ([\d.]+) ±", found, re.M)
    assert float(value) == pytest.approx(0.004, rel=1e-4)


@pytest.mark.nightly
def test_the_notebook_prints_what_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient = pytest.importorskip("nbclient", reason="needs the packages of requirements-dev.lock")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    shown = nbformat.read(DOCS / "notebook.ipynb", as_version=4)
    found = nbclient.NotebookClient(nbformat.from_dict(shown), timeout=600).execute()
    values = [printed_numbers(notebook) for notebook in (found, shown)]
    np.testing.assert_allclose(*values, rtol=0.05)


def printed_numbers(notebook: nbformat.NotebookNode) -> list[float]:
    """All numbers that the cells print."""
    outputs = [each for cell in notebook.cells for each in cell.get("outputs", ())]
    printed = [each.text for each in outputs if each.output_type == "stream"]
    assert len(printed) >= 3, "run: jupyter execute --inplace docs/notebook.ipynb"
    return [float(number) for text in printed for number in re.findall(r"-?\d+\.\d+", text)]
