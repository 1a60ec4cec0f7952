"""Links, commands and error messages quoted in the documentation."""

import ast
import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.write_reference import rule_outputs
from hybrid_pde.command_line.app import COMMANDS
from tests.conftest import ROOT
from tests.docs.pages import DOCS, blocks, codes, pages, rows

PAGES = [pytest.param(page, id=page.name) for page in pages()]


@pytest.mark.parametrize("page", PAGES)
def test_relative_links_resolve(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    found = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    for link in found:
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = page if not path else page.parent / path
        assert target.exists(), link
        if anchor:
            titles = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.M)
            assert anchor in {re.sub(r"[^\w\- ]", "", t).lower().replace(" ", "-") for t in titles}


def shown_commands(page: Path) -> list[list[str]]:
    """Command lines in the page's shell blocks, without comments."""
    lines = [
        line
        for kind in ("sh", "bash", "console")
        for b in blocks(page, kind)
        for line in b.splitlines()
        if kind != "console" or line.startswith("$ ")
    ]
    return [
        words for line in lines if (words := shlex.split(line.removeprefix("$ "), comments=True))
    ]


@pytest.mark.parametrize("page", PAGES)
def test_shown_commands_exist(page: Path) -> None:
    for words in shown_commands(page):
        program, *arguments = words
        if program == "make":
            makefile = (ROOT / "Makefile").read_text()
            targets = re.findall(r"^(\w+):", makefile, re.M)
            named = {word for word in arguments if "=" not in word}
            assert named <= set(targets), words
            for variable in {word.partition("=")[0] for word in arguments} - named:
                assert f"$({variable})" in makefile, words
        elif program == "snakemake":
            check_snakemake(arguments)
        elif program == "hybrid-pde":
            assert arguments[0].startswith("--") or arguments[0] in COMMANDS, words
        elif program.startswith("python"):
            check_python(arguments, page)


def check_snakemake(arguments: list[str]) -> None:
    """Check that options exist in Snakemake and targets are rules or their outputs."""
    from snakemake.cli import get_argument_parser

    parsed = get_argument_parser().parse_args(arguments)
    patterns, names = [], set()
    for path in [ROOT / "Snakefile", *(ROOT / "workflow/rules").glob("*.smk")]:
        text = path.read_text(encoding="utf-8")
        names |= set(re.findall(r"^rule (\w+):", text, re.M))
        for rule in re.split(r"^(?=rule )", text, flags=re.M):
            patterns += [re.sub(r"\\{\w+\\}", ".+", re.escape(p)) for p in rule_outputs(rule)]
    for target in parsed.targets:
        assert target in names or any(re.fullmatch(p, target) for p in patterns), target
        if named := re.fullmatch(r"results/([^/<>]+)/.+", target):
            shown = [b for page in pages() for b in blocks(page, "yaml")]
            assert (
                (ROOT / f"config/{named[1]}.yaml").is_file()
                or any(f"# config/{named[1]}.yaml" in block for block in shown)
                or any(
                    f"config/{named[1]}.yaml: written" in block
                    for page in pages()
                    for block in blocks(page, "console")
                )
            ), target


def check_python(arguments: list[str], page: Path) -> None:
    """Check that programs and modules exist; a program may be shown on the page."""
    if arguments[0] == "-m":
        assert importlib.util.find_spec(arguments[1]) is not None, arguments
    elif arguments[0] == "-c":
        ast.parse(arguments[1])
    else:
        is_shown = any(block.startswith(f"# {arguments[0]}\n") for block in blocks(page, "python"))
        assert is_shown or (ROOT / arguments[0]).is_file(), arguments


def texts_of_modules(folder: Path) -> list[str]:
    """The text constants of each module."""
    paths = folder.rglob("*.py")
    return ["\0".join(constant_texts(path.read_text(encoding="utf-8"))) for path in paths]


def is_written(message: str, texts: list[str]) -> bool:
    """True if a module has all pieces of a message, between the gaps ``…``."""
    pieces = [piece.strip() for piece in message.split("…") if piece.strip()]
    return any(all(piece in text for piece in pieces) for text in texts)


def test_documented_error_messages_exist_in_the_program() -> None:
    library = ROOT / "src/hybrid_pde"
    texts = texts_of_modules(library / "data") + texts_of_modules(library / "domain")
    table = rows(DOCS / "data.md", "Reason")
    assert len(table) > 10
    for _, cell in table:
        (message,) = codes(cell)
        assert is_written(message, texts), message


def test_messages_with_a_cure_exist_in_the_program() -> None:
    texts = texts_of_modules(ROOT / "src/hybrid_pde")
    page = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    messages = re.findall(r"^\| `([^`]+)` \|", page, re.M)
    assert len(messages) > 15
    for message in messages:
        assert is_written(message, texts), message


def constant_texts(source: str) -> Iterator[str]:
    """String constants of a program, including parts of f-strings, without docstrings."""
    tree = ast.parse(source)
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare:
            yield node.value
