"""Results of a training that are taken again where nothing has changed."""

import json
from pathlib import Path

from hybrid_pde.data.atomic import sha256_of
from hybrid_pde.stages.kept_results import KeptResults


def test_only_unchanged_results_of_the_same_identity_are_restored(tmp_path: Path) -> None:
    kept = tmp_path / "physical/.kept"
    outputs = [tmp_path / "physical/parameters.yaml", tmp_path / "history.csv"]
    field = tmp_path / "physical/diffusivity.nc"
    assert not KeptResults(kept, {"code": "1"}).restore(outputs)
    outputs[0].parent.mkdir()
    for path in (*outputs, field):
        path.write_text(f"content of {path.name}")
    KeptResults(kept, {"code": "1"}).keep([*outputs, field])
    for path in (*outputs, field):
        path.unlink()  # as Snakemake does before a job
    assert not KeptResults(kept, {"code": "2"}).restore(outputs)
    assert not outputs[0].exists()
    assert not KeptResults(kept, {"code": "1"}).restore([*outputs, tmp_path / "model.pt"])
    assert KeptResults(kept, {"code": "1"}).restore(outputs)
    for path in (*outputs, field):
        assert path.read_text() == f"content of {path.name}"
    with (kept / "history.csv").open("a") as file:  # as an edit of the linked output would
        file.write("edited")
    assert not KeptResults(kept, {"code": "1"}).restore(outputs)
    (kept / "kept.json").write_text("[]")
    assert not KeptResults(kept, {"code": "1"}).restore(outputs)


def test_a_record_leads_to_no_other_folder(tmp_path: Path) -> None:
    """A results folder may come from somebody else."""
    kept, output = tmp_path / "physical/.kept", tmp_path / "physical/parameters.yaml"
    kept.mkdir(parents=True)
    output.write_text("own")
    results = KeptResults(kept, {})
    results.keep([output])
    record = json.loads((kept / "kept.json").read_text())
    (tmp_path / "physical/payload").write_text("x")
    record["files"]["../payload"] = sha256_of(tmp_path / "physical/payload")
    (kept / "kept.json").write_text(json.dumps(record))
    assert not results.restore([output])
    assert not (tmp_path / "payload").exists()
