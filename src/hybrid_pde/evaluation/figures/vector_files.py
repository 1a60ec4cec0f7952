"""Figures as SVG and PDF files, and as SVG text that takes the colours of a page."""

import logging
import re
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from hybrid_pde.data.atomic import atomic_path
from hybrid_pde.evaluation.figures.style import COLORS, INK, settle, styled

# Colours of the figures' style that a page replaces by its own, which follow light and dark mode.
PAGE_COLOURS = {
    INK: "--ink",
    "#666666": "--soft",
    "#888888": "--soft",
    "#bbbbbb": "--line",
    "#d5d5d5": "--line",
    "#e4e4e4": "--line",
    **{colour: f"--{name}" for name, colour in COLORS.items()},
    "#a00000": "--bad",
}  # fmt: skip
# Neither date nor versions, so that equal figures are equal files.
_METADATA_OF: dict[str, Any] = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
}
_PROLOGUE = re.compile(r"\A.*?(?=<svg)", re.DOTALL)
_METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)
_IDENTIFIER = re.compile(r'(\bid="|href="#|url\(#)')
_FONT = re.compile(r"('[A-Za-z ]+', )+sans-serif|'DejaVu Sans'")


def save_vector(folder: Path, name: str, figure: Figure) -> str:
    """Write ``<name>.svg`` and ``<name>.pdf`` atomically, without date or version.

    Returns:
        The SVG for a page: without a size, background and metadata, with identifiers that begin
        with the name, in the colours and the font of the page.
    """
    # it tells at length which tables of a font it leaves out of a PDF
    logging.getLogger("fontTools").setLevel(logging.WARNING)
    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": name, "pdf.fonttype": 42}
    with styled(), matplotlib.rc_context(settings):
        box = settle(figure)
        for kind, metadata in _METADATA_OF.items():
            with atomic_path(folder / f"{name}.{kind}") as sibling:
                figure.savefig(
                    sibling, format=kind, bbox_inches=box, transparent=True, metadata=metadata
                )
    return for_page((folder / f"{name}.svg").read_text(encoding="utf-8"), name)


def for_page(svg: str, name: str) -> str:
    """The text of an SVG file as part of a page, see :func:`save_vector`."""
    text = _METADATA.sub("", _PROLOGUE.sub("", svg, count=1))
    text = re.sub(r'(<svg [^>]*?)\bwidth="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg [^>]*?)\bheight="[^"]*"', r"\1", text, count=1)
    text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", text)
    text = text.replace("xlink:href", "href")
    text = _IDENTIFIER.sub(rf"\g<1>{name}-", text)
    text = _FONT.sub("var(--font)", text)
    for colour, variable in PAGE_COLOURS.items():
        text = re.sub(rf"(?<=: ){colour}", f"var({variable})", text, flags=re.IGNORECASE)
    return text
