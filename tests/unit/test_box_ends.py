"""A box that is stated as periodic, and whose values say otherwise, is warned of."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hybrid_pde
from hybrid_pde.result_warnings import ResultWarning
from hybrid_pde.stages.cache import cache_shard
from tests.unit.raw_files import cells, experiment, raw_path, write_file

X, Y = cells(16), cells(12)
WALLS = np.cos(np.pi * X)[:, None] * np.cos(2 * np.pi * Y - 0.3)
BOX = np.cos(2 * np.pi * X)[:, None] * np.cos(2 * np.pi * Y - 0.3)
SAID = "the values at the two ends of x do not meet, so the box is probably not periodic"


def warnings_of(root: Path, field: np.ndarray, **data: Any) -> list[str]:
    """Warnings that the manifest of a simulation of three frames keeps."""
    values = np.stack([field, 0.9 * field, 0.8 * field])
    coordinates = {"time": [0.0, 0.5, 1.0], "x": X, "y": Y}
    path = write_file(raw_path(root), coordinates, {"u": (("time", "x", "y"), values)})
    stated = {"data": experiment(root, **data).data.model_dump(mode="json")}
    manifest = root / "cache/heat/manifest.json"
    cache_shard(stated, [0], [path], manifest)
    kept: list[str] = json.loads(manifest.read_text())["warnings"]
    return kept


def test_values_between_walls_contradict_a_stated_periodic_box(tmp_path: Path) -> None:
    with pytest.warns(ResultWarning, match=SAID):
        kept = warnings_of(tmp_path, WALLS, boundary="periodic")
    assert len(kept) == 1 and "data.boundary: {x: zero-gradient}" in kept[0]


@pytest.mark.parametrize(
    ("field", "boundary"),
    [(BOX, "periodic"), (WALLS, {"x": "zero-gradient", "y": "periodic"}), (0 * BOX, "periodic")],
    ids=["box", "walls", "zero"],
)
def test_what_fits_the_statement_is_silent(
    tmp_path: Path, field: np.ndarray, boundary: Any
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResultWarning)
        assert warnings_of(tmp_path, field, boundary=boundary) == []


def test_an_inspection_notes_it_too(tmp_path: Path) -> None:
    values = {"u": (("time", "x", "y"), np.stack([WALLS, 0.9 * WALLS]))}
    coordinates = {"time": [0.0, 0.5], "x": X, "y": Y}
    path = write_file(raw_path(tmp_path), coordinates, values, attrs={"": {"boundary": "periodic"}})
    assert any(note.startswith(SAID) for note in hybrid_pde.inspect(path).notes)
