"""Lock files: they give what ``requirements*.in`` ask for, and pin everything that it needs.

The metadata of the installed releases says what needs what; nothing is downloaded.
"""

import importlib.metadata
import re
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.conftest import ROOT

Locked = dict[str, Version]
# `pip freeze` leaves them out; every environment that pip made has them
OF_THE_ENVIRONMENT = {"pip", "setuptools", "wheel"}


def lines(path: Path) -> list[str]:
    stripped = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in stripped if line]


def locked(path: Path) -> Locked:
    """Releases of a lock file by name."""
    found: Locked = {}
    for line in lines(path):
        match = re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.!-]+)", line)
        assert match, f"{path.name}: {line}: must be name==version, without a local version"
        name = canonicalize_name(match[1])
        assert name not in found, f"{path.name}: {name}: twice"
        found[name] = Version(match[2])
    return found


def asked(path: Path) -> list[Requirement]:
    return [Requirement(line) for line in lines(path) if not line.startswith("-")]


def needs(name: str, extras: set[str]) -> list[Requirement]:
    """Requirements of an installed release on this machine."""
    found = [Requirement(text) for text in importlib.metadata.requires(name) or ()]
    return [
        each
        for each in found
        if each.marker is None or any(each.marker.evaluate({"extra": e}) for e in {"", *extras})
    ]


def exact_version(requirement: Requirement) -> Version | None:
    """The only version that a requirement allows, if there is only one."""
    texts = [each.version for each in requirement.specifier if each.operator in ("==", "===")]
    return Version(texts[0]) if len(texts) == 1 and "*" not in texts[0] else None


def problems(
    wanted: list[Requirement],
    pins: Locked,
    needs_of: Callable[[str, set[str]], list[Requirement]] = needs,
) -> Iterator[str]:
    """Missing and superfluous lines of a lock.

    Args:
        wanted: Requirements that were asked for.
        pins: Releases of the lock.
        needs_of: Requirements of a release with some extras.
    """
    pending = deque((each, "asked for") for each in wanted)
    known = dict(pins)
    seen: set[tuple[str, frozenset[str]]] = set()
    while pending:
        requirement, by = pending.popleft()
        name = canonicalize_name(requirement.name)
        # a pinned release may pin others, as PyTorch does with the libraries of CUDA
        if name not in known and (version := exact_version(requirement)):
            known[name] = version
        if name not in known:
            if name not in OF_THE_ENVIRONMENT:
                yield f"{requirement}, {by}: not pinned"
            continue
        if not requirement.specifier.contains(known[name], prereleases=True):
            yield f"{requirement}, {by}: pinned to {known[name]}"
        key = (name, frozenset(requirement.extras))
        if key not in seen:
            seen.add(key)
            needed = needs_of(name, requirement.extras)
            pending.extend((each, f"needed by {name}") for each in needed)
    for name in sorted(pins.keys() - {name for name, _ in seen}):
        yield f"{name}: pinned, and nothing needs it"


def test_the_locks_pin_what_is_asked_for_and_all_that_it_needs() -> None:
    wanted = asked(ROOT / "requirements.in")
    for_development = asked(ROOT / "requirements-dev.in")
    assert list(problems(wanted, locked(ROOT / "requirements.lock"))) == []
    everything = locked(ROOT / "requirements-dev.lock")
    assert list(problems([*wanted, *for_development], everything)) == []


def test_the_locks_agree_with_each_other_and_with_what_is_installed() -> None:
    first, second = (locked(ROOT / f"requirements{name}.lock") for name in ("", "-dev"))
    assert first.items() <= second.items()
    installed = {name: Version(importlib.metadata.version(name)).public for name in second}
    assert installed == {name: str(version) for name, version in second.items()}


def needs_in(graph: dict[str, list[str]]) -> Callable[[str, set[str]], list[Requirement]]:
    return lambda name, extras: [Requirement(text) for text in graph.get(name, [])]


@pytest.mark.parametrize(
    ("pins", "found"),
    [
        ({"a": "1.0", "b": "2.0"}, []),
        ({"a": "1.0"}, ["b>=2, needed by a: not pinned"]),
        ({"a": "1.0", "b": "1.9"}, ["b>=2, needed by a: pinned to 1.9"]),
        ({"b": "2.0"}, ["a, asked for: not pinned", "b: pinned, and nothing needs it"]),
        ({"a": "1.0", "b": "2.0", "c": "3"}, ["c: pinned, and nothing needs it"]),
    ],
)
def test_what_a_lock_lacks_is_found(pins: dict[str, str], found: list[str]) -> None:
    releases = {name: Version(version) for name, version in pins.items()}
    graph = {"a": ["b>=2"]}
    assert list(problems([Requirement("a")], releases, needs_in(graph))) == found


def test_what_a_pinned_release_pins_itself_needs_no_line() -> None:
    graph = {"torch": ["cuda-a==12.1", "cuda-b==9"], "cuda-b": ["cuda-a", "cuda-c>=1"]}
    found = problems([Requirement("torch")], {"torch": Version("2")}, needs_in(graph))
    assert list(found) == ["cuda-c>=1, needed by cuda-b: not pinned"]
