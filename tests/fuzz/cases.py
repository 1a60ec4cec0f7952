"""Reproducible random cases of the fuzz suite; number and seed determine them."""

from typing import Any

import hypothesis
import numpy as np
from hypothesis import strategies as st

from tests.fuzz.damage import BYTES, PLACES
from tests.fuzz.pool import Case

# share of cases with damaged bytes and with contents from hypothesis; the rest are odd paths
SHARES = {"bytes": 0.5, "content": 0.46}
RAW = (
    "netcdf 3", "netcdf 4", "pdebench, flat", "pdebench, groups", "pdeinvbench", "the well",
    "py-pde", "zarr", "npz", "scene",
)  # fmt: skip
TREES = ("cached simulation", "manifest", "index", "checkpoint", "synthetic model")
YAML = ("experiment", "parameters")
# raw files come from outside the project, so they get more cases
WEIGHTS = {name: 3 if name in RAW else 1 for name in (*RAW, *TREES, *YAML)} | {"experiment": 2}

NAMES = st.sampled_from(["u", "time", "x", "y", "sample"])
HUGE = st.sampled_from([0, 1, 2, 3, 1000, 10**6, 10**9, 2 * 10**9, 10**12, 2**40])
NUMBERS = st.one_of(
    st.floats(), st.sampled_from([0.0, -1.0, 1e300, 1e-300, 3.4e38, 9.96920996838687e36])
)
KINDS = st.sampled_from(["text", "compound", "i1", "u1", "i2", "u2", "i8", "f4", ">f8", "f2"])
ATTRIBUTES = st.sampled_from(
    [
        "scale_factor", "add_offset", "_FillValue", "missing_value", "valid_range", "valid_min",
        "valid_max", "_Unsigned", "units", "calendar", "axis", "boundary", "dtype",
    ]
)  # fmt: skip
VALUES = st.one_of(
    st.floats(),
    st.integers(-(2**31), 2**31 - 1),
    st.text(max_size=8),
    st.sampled_from(["days since 2000-01-01", "fortnights", "true", "X", "noleap", "periodic"]),
    st.sampled_from(['{"x": 1', '{"x": {"lower": 1e999, "upper": 0}}', "nan", '"periodic"', ""]),
    st.lists(st.floats(width=32), max_size=3),
)
FAULTS = st.one_of(
    st.tuples(st.just("number"), NAMES, st.floats(0, 1), NUMBERS),
    st.tuples(st.just("repeat"), NAMES, st.floats(0, 1)),
    st.tuples(st.just("swap"), NAMES),
    st.tuples(st.just("drop"), NAMES),
    st.tuples(st.just("retype"), NAMES, KINDS),
    st.tuples(st.just("resize"), NAMES, HUGE),
    st.tuples(st.just("attribute"), st.one_of(NAMES, st.just("")), ATTRIBUTES, VALUES),
    st.tuples(st.just("scalar"), NAMES),
    st.tuples(st.just("lose axis"), NAMES),
)
RECIPES = st.fixed_dictionaries(
    {
        "frames": st.integers(1, 6),
        "points": st.tuples(st.integers(2, 7), st.integers(2, 7)),
        "descending": st.booleans(),
        "order": st.permutations(["time", "x", "y"]),
        "samples": st.sampled_from([0, 0, 2]),
        "dtype": st.sampled_from(["f8", "f4", "packed"]),
        "faults": st.lists(FAULTS, max_size=2),
    }
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 10),
    st.sampled_from([10**9, 2**63, -(2**63), 10**30, 1e308]),
    st.floats(),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8),
    st.sampled_from(["../../x", "/etc/passwd", "1e-6", "periodic", "x", "u", "", "F32", "UNet"]),
)
TREE = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=5,
)
ACTIONS = st.sampled_from(["replace", "replace", "delete", "rename"])
EDITS = st.lists(st.tuples(st.floats(0, 1), ACTIONS, TREE), min_size=1, max_size=3)
NASTY = (
    "!!python/object/apply:os.system ['touch executed']",
    "model: !!python/name:os.system",
    "a: &a [1, 2]\nb: &b [*a, *a]\ndata: *b",
    "data: &d {fields: *d}",
    "{" * 3000,
    "- " * 3000,
    "data: {dset_name: " + "9" * 5000 + "}",
    "run_params: {experiment_name: ../../x}",
    "run_params: {experiment_name: a/b}",
    "data: {dset_name: ..}",
    "[" * 100000,
    "\ufeff{}",
    "a: 1\na: 2",
    "? [a]\n: b",
    "? {a: 1}\n: b",
    "data: 2020-01-01",
    "data: !!binary AAAA",
    "data: !!set {a, b}",
    "---\na: 1\n---\nb: 2",
    "null",
    "'\\x00': 1",
    "data: {fields: [u, [u]]}",
    '{"simulations": 3}',
    "1e999",
    "\t",
)
BOMB = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    + ["data: *a11"]
)
TEXTS = st.one_of(st.sampled_from([*NASTY, BOMB]), st.text(max_size=40).filter(bool))


def draw(count: int, seed: int) -> list[Case]:
    """Cases of every subject, ``count`` or a few more."""
    total = sum(WEIGHTS.values())
    cases = []
    for subject, weight in WEIGHTS.items():
        share = -(-count * weight // total)
        contents = _examples(_strategy(subject), int(share * SHARES["content"]), seed)
        cases += [
            {"subject": subject, "damage": "content", "content": content, "seed": number}
            for number, content in enumerate(contents)
        ]
        random = np.random.default_rng([seed, sum(subject.encode())])
        for number in range(share - len(contents)):
            is_bytes = number < share * SHARES["bytes"] or number % 4
            kinds = [*BYTES, "flipped", "flipped", "filled"] if is_bytes else list(PLACES)
            damage = str(random.choice(np.array(kinds)))
            each = int(random.integers(2**32))
            cases.append({"subject": subject, "damage": damage, "seed": each})
    return cases


def _strategy(subject: str) -> st.SearchStrategy[Any]:
    if subject in RAW:
        return RECIPES
    edits = st.fixed_dictionaries({"edits": EDITS, "seed": st.integers(0, 9)})
    if subject in YAML or subject in ("manifest", "index"):
        return st.one_of(edits, edits, st.fixed_dictionaries({"text": TEXTS}))
    return edits


def _examples(strategy: st.SearchStrategy[Any], count: int, seed: int) -> list[Any]:
    """Examples of a strategy, in the order in which it draws them."""
    found: list[Any] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=max(1, count),
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(strategy)
    def collect(content: Any) -> None:
        found.append(content)

    collect()
    return found[:count]
