"""Malicious files: each causes an error that names it, and none of their content is executed."""

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import pytest
import torch
import yaml

from hybrid_pde.config import load_experiment
from hybrid_pde.data import build_index
from hybrid_pde.data.cache.cache_file import open_simulation
from hybrid_pde.data.cache.manifests import digests_of
from hybrid_pde.errors import UserError
from hybrid_pde.evaluation.report.html_report import ReportInputs, render_report
from hybrid_pde.models import load_synthetic_model
from hybrid_pde.models.physical.parameters_file import read_result
from hybrid_pde.models.tensor_file import read_tensor_file
from hybrid_pde.training.checkpoint import load_checkpoint
from hybrid_pde.workflow.requested_experiments import EXPERIMENT_NAME
from tests.fuzz.cases import BOMB, NASTY
from tests.unit.raw_files import cells, experiment, raw_path, wave
from tests.workflow.snakemake_run import run
from tests.workflow.tiny import write_experiment

CANARY = "executed"
COMMAND = f"touch {CANARY}"


class _Payload:
    """Unpickling it creates the canary file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path(CANARY),))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A folder in which the canary file must not appear."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert not list(tmp_path.rglob(CANARY)), "content of a file was executed"


def test_the_payload_works(folder: Path) -> None:
    pickle.loads(pickle.dumps(_Payload()))
    assert Path(CANARY).exists()
    Path(CANARY).unlink()


READERS: dict[str, Callable[[Path], Any]] = {
    "synthetic model": load_synthetic_model,
    "training checkpoint": load_checkpoint,
    "best weights": lambda path: read_tensor_file(path, "best weights"),
}


@pytest.mark.parametrize("kind", READERS)
def test_a_pickle_in_a_tensor_file_is_rejected(folder: Path, kind: str) -> None:
    path = folder / "model.pt"
    for content in ({"kind": kind, "version": 2, "weights": _Payload()}, _Payload()):
        torch.save(content, path)
        with pytest.raises(UserError, match=r"model\.pt: damaged, or no"):
            READERS[kind](path)
        path.write_bytes(pickle.dumps(content))
        with pytest.raises(UserError, match=r"model\.pt: damaged, or no"):
            READERS[kind](path)


def test_a_compressed_tensor_file_is_rejected(folder: Path) -> None:
    path = folder / "model.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10**7))
    with pytest.raises(UserError, match=r"model\.pt: .*compressed"):
        read_tensor_file(path, "training checkpoint")


TAGS = (
    f"a: !!python/object/apply:os.system ['{COMMAND}']",
    f"a: !!python/object/new:os.system ['{COMMAND}']",
    "a: !!python/name:os.system",
    "a: !!python/module:os",
)


@pytest.mark.parametrize("text", TAGS)
def test_a_python_object_in_yaml_is_rejected(folder: Path, text: str) -> None:
    path = folder / "burgers.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"burgers\.yaml: not a YAML file"):
        load_experiment(path)
    with pytest.raises(UserError, match=r"burgers\.yaml: damaged"):
        read_result(path)
    write_experiment(path)
    with pytest.raises(UserError, match="override .* is not a valid YAML value"):
        load_experiment(path, [text.replace("a: ", "a=", 1)])


ODD = (*NASTY, BOMB, "trainer_params: {physical: 3}", "a: &a [*a]")


@pytest.mark.parametrize("text", ODD)
def test_a_malformed_experiment_file_is_named_in_an_error(folder: Path, text: str) -> None:
    path = folder / "burgers.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"burgers\.yaml"):
        load_experiment(path)


@pytest.mark.parametrize(
    "name", ["../x", "/etc/x", "..", "a/b", "a\\b", ".hidden", "-option", "a b", ""]
)
def test_names_cannot_leave_their_folders(folder: Path, name: str) -> None:
    path = write_experiment(folder / "burgers.yaml", run_params={"experiment_name": name})
    with pytest.raises(UserError, match=r"burgers\.yaml: run_params\.experiment_name"):
        load_experiment(path)
    if "/" in name or name == "..":
        content = yaml.safe_load(path.read_text())
        content["run_params"] = {}
        content["data"]["dset_name"] = name
        path.write_text(yaml.safe_dump(content))
        with pytest.raises(UserError, match=r"burgers\.yaml: data\.dset_name"):
            load_experiment(path)


def test_targets_cannot_leave_the_results(folder: Path) -> None:
    write_experiment(folder / "config" / "burgers_2d.yaml")
    for target in ("results/../x/synthetic_model.pt", "results/.x/report.html"):
        finished = run(folder, "--dry-run", target)
        assert finished.returncode != 0
        assert "MissingRuleException" in finished.stdout
    assert EXPERIMENT_NAME.startswith("[A-Za-z0-9]"), "the wildcard must not match a leading dot"


def test_a_manifest_may_only_name_files_in_its_folder(folder: Path) -> None:
    path = folder / "cached_000000-000000.json"
    path.write_text('{"simulations": [0], "files": {"../sim_000000.safetensors": "00"}}')
    with pytest.raises(UserError, match=r"cached_000000-000000\.json: damaged"):
        digests_of([path], [0])


def test_parameters_may_only_name_fields_in_their_folder(folder: Path) -> None:
    path = folder / "parameters.yaml"
    value = {"file": "../secret.nc", "sha256": "00"}
    path.write_text(yaml.safe_dump({"parameters": {"viscosity": {"value": value}}}))
    with pytest.raises(UserError, match=r"parameters\.yaml"):
        read_result(path)


@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 10**8 - 1, 0])
def test_an_oversized_cache_header_is_rejected(folder: Path, length: int) -> None:
    path = folder / "sim_000000.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + b"{}")
    with pytest.raises(UserError, match=r"sim_000000\.safetensors: "):
        open_simulation(path)


def _flat(path: Path) -> h5py.File:
    """PDEBench's flat layout without its values."""
    file = h5py.File(path, "w")
    file["t-coordinate"], file["x-coordinate"] = np.arange(4) * 0.5, cells(8)
    return file


SHAPE = (1, 4, 8)


def _external_link(path: Path, secret: Path) -> None:
    with _flat(path) as file:
        file["tensor"] = h5py.ExternalLink(str(secret), "/tensor")


def _external_storage(path: Path, secret: Path) -> None:
    with _flat(path) as file:
        file.create_dataset("tensor", SHAPE, "f8", external=[(str(secret), 0, 4 * 8 * 8)])


def _virtual(path: Path, secret: Path) -> None:
    layout = h5py.VirtualLayout(SHAPE, "f8")
    layout[:] = h5py.VirtualSource(str(secret), "tensor", SHAPE)
    with _flat(path) as file:
        file.create_virtual_dataset("tensor", layout)


def _linked_group(path: Path, secret: Path) -> None:
    with h5py.File(path, "w") as file:
        file["0000"] = h5py.ExternalLink(str(secret), "/")


def _linked_data(path: Path, secret: Path) -> None:
    with h5py.File(path, "w") as file:
        file["0000/grid/t"], file["0000/grid/x"] = np.arange(4) * 0.5, cells(8)
        file["0000/data"] = h5py.ExternalLink(str(secret), "/tensor")


@pytest.mark.parametrize(
    "write", [_external_link, _external_storage, _virtual, _linked_group, _linked_data]
)
@pytest.mark.parametrize("suffix", ["h5", "nc"])
def test_an_hdf5_file_cannot_point_outside(
    folder: Path, write: Callable[[Path, Path], None], suffix: str
) -> None:
    secret = folder / "secret.bin"
    with h5py.File(secret, "w") as file:
        file["tensor"] = np.zeros(SHAPE)
    write(raw_path(folder, f"a.{suffix}"), secret)
    with pytest.raises(UserError, match=r"secret\.bin'; copy it into this file"):
        build_index(experiment(folder, variables={"u": "tensor"}))


def test_a_group_that_contains_itself_is_rejected(folder: Path) -> None:
    path = raw_path(folder, "a.h5")
    with _flat(path) as file:
        file["tensor"] = np.zeros(SHAPE)
        file["g/h"] = file["/"]
    with pytest.raises(UserError, match="contains itself"):
        build_index(experiment(folder))


def test_pickled_arrays_are_rejected_as_raw_files(folder: Path) -> None:
    path = raw_path(folder, "a.npz")
    np.savez(path, u=np.array([_Payload()], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match=r"a\.npz: "):
        build_index(experiment(folder))
    for suffix in (".nc", ".h5"):
        named = path.rename(path.with_suffix(suffix))
        with pytest.raises(UserError, match=rf"a\{suffix}: "):
            build_index(experiment(folder))
        path = named


def test_names_are_escaped_in_the_report(folder: Path) -> None:
    odd = "<script>alert(1)</script>"
    config = {
        "run_params": {"model_type": "synthetic"},
        "data": {
            "dset_name": "x",
            "fields": ["u"],
            "variables": {"u": [odd, "<img onerror=alert(1)>"]},
        },
        "model": {"synthetic": {"name": "UNet", "input_specs": {"u": 1}, "output_specs": {"u": 1}}},
    }
    page = render_report(ReportInputs(config, origin={odd: odd}))
    assert "&lt;script&gt;alert(1)" in page and "&lt;img onerror" in page
    assert "<script>alert" not in page and "<img" not in page
    assert page.count("<script") == 1  # that of the slider, which the policy names by its digest


def test_names_in_a_raw_file_are_not_executed(folder: Path) -> None:
    odd = f"u;{COMMAND};"
    path = raw_path(folder)
    with netCDF4.Dataset(path, "w") as file:
        for dim, values in (("time", np.arange(4) * 0.5), ("x", cells(8))):
            file.createDimension(dim, len(values))
            file.createVariable(dim, "f8", (dim,))[:] = values
        file.createVariable(odd, "f8", ("time", "x"))[:] = wave(np.arange(4) * 0.5, cells(8))
        file.setncattr("boundary", f"__import__('os').system('{COMMAND}')")
    with pytest.raises(UserError, match="attribute boundary"):
        build_index(experiment(folder, variables={"u": odd}))
    assert build_index(experiment(folder, variables={"u": odd}, boundary="periodic")).dt == 0.5
