"""Documentation pages: their code blocks and tables."""

import re
from pathlib import Path

from tests.conftest import ROOT

DOCS = ROOT / "docs"


def pages() -> list[Path]:
    """All pages, including the README."""
    return sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md")])


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


def write_named_blocks(page: Path, folder: Path) -> dict[str, Path]:
    """Write a page's code blocks that begin with a comment naming a file; return the files."""
    written = {}
    for language in ("python", "yaml"):
        for block in blocks(page, language):
            if name := re.match(r"# ([\w/]+\.(?:py|yaml))\n", block):
                path = folder / name[1]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block, encoding="utf-8")
                written[name[1]] = path
    return written


def rows(page: Path, title: str) -> list[list[str]]:
    """The rows of the table with this title in its first column."""
    text = page.read_text(encoding="utf-8")
    table = text.split(f"| {title} |", 1)[1].split("\n\n", 1)[0]
    lines = [line for line in table.splitlines()[2:] if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def codes(cell: str) -> list[str]:
    """The texts in backticks."""
    return re.findall(r"`([^`]+)`", cell)
