"""Fuzz subjects: files written by the project, and the experiment file."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import torch
import yaml

from hybrid_pde.config import load_experiment, parse_experiment
from hybrid_pde.data.cache.cache_file import open_simulation, write_simulation
from hybrid_pde.data.cache.cache_header import KEY, LENGTH_BYTES, METADATA, CacheHeader
from hybrid_pde.data.cache.manifests import digests_of, simulations_of
from hybrid_pde.data.cache.raw_index import build_index
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.domain.known_values import KnownParameter
from hybrid_pde.models.physical.parameters_file import read_result
from hybrid_pde.models.surrogate_file import load_saved_model, save_synthetic_model
from hybrid_pde.training.checkpoint import load_checkpoint, save_checkpoint
from tests.fuzz.edits import edited
from tests.fuzz.subject_interface import Subject
from tests.unit.raw_files import NAME, experiment, write_simple
from tests.unit.surrogates import PERIODIC, surrogate
from tests.workflow.tiny import tiny_experiment

GRID = Grid(("x",), (5,), (0.0,), (2.0,), (("periodic", "periodic"),), (False,))


class Cache(Subject):
    """A cached simulation."""

    def whole(self, folder: Path, seed: int) -> bytes:
        layouts = (FieldLayout("u"), FieldLayout("k", (), static=True))
        known = (KnownParameter("nu", values=0.1), KnownParameter("f", is_field=True))
        times = tuple(0.5 * n for n in range(2 + seed % 4))
        header = CacheHeader(GRID, layouts, 0.5, times, {"file": "a.nc"}, "abc", {}, known)
        random = np.random.default_rng(seed)
        fields = {
            each.name: random.normal(size=header.shape(each)).astype("f4")
            for each in header.tensors
        }
        path = folder / "whole"
        write_simulation(path, header, [fields])
        content = path.read_bytes()
        path.unlink()
        return content

    def make(self, path: Path, content: Any) -> None:
        whole = self.whole(path.parent, content["seed"])
        end = LENGTH_BYTES + int.from_bytes(whole[:LENGTH_BYTES], "little")
        stored = json.loads(whole[LENGTH_BYTES:end])
        stored[METADATA][KEY] = json.loads(stored[METADATA][KEY])
        stored = edited(stored, content["edits"])
        if isinstance(stored, dict) and isinstance(stored.get(METADATA), dict):
            inside = stored[METADATA]
            stored[METADATA] = {name: json.dumps(value) for name, value in inside.items()}
        text = json.dumps(stored).encode()
        path.write_bytes(len(text).to_bytes(LENGTH_BYTES, "little") + text + whole[end:])

    def read(self, path: Path) -> Any:
        simulation = open_simulation(path)
        header = simulation.header
        assert all(math.isfinite(each) for each in (*header.grid.spacing, header.dt))
        assert all(isinstance(each, float) for each in header.times)
        assert {type(flag) for flag in header.grid.nodes_on_boundary} == {bool}
        for statistics in header.statistics.values():
            np.asarray(statistics.mean) / np.asarray(statistics.std)
        return {name: value.numpy().copy() for name, value in simulation.fields.items()}

    def size(self, found: Any) -> int:
        return sum(values.nbytes for values in found.values())

    def difference(self, path: Path, found: Any) -> str | None:
        wanted = safetensors.numpy.load_file(path)
        for name, values in found.items():
            if not np.array_equal(values, wanted[name], equal_nan=True):
                return f"{name} differs"
        return None


class _Json(Subject):
    """A JSON file."""

    def tree(self, folder: Path) -> Any:
        raise NotImplementedError

    def whole(self, folder: Path, seed: int) -> bytes:
        return json.dumps(self.tree(folder), indent=1).encode()

    def make(self, path: Path, content: Any) -> None:
        tree = self.tree(path.parent)
        text = content.get("text") or json.dumps(edited(tree, content.get("edits", [])))
        path.write_text(text, "utf-8")


class Manifest(_Json):
    """The manifest of a shard."""

    def tree(self, folder: Path) -> Any:
        files = {f"sim_{n:06d}.safetensors": f"{n:064x}" for n in range(3)}
        return {"schema": 1, "simulations": [0, 1, 2], "files": files}

    def read(self, path: Path) -> Any:
        simulations = simulations_of([path])
        return simulations, digests_of([path], simulations)

    def difference(self, path: Path, found: Any) -> str | None:
        plain = json.loads(path.read_text("utf-8"))
        is_alike = sorted(plain["simulations"]) == found[0]
        is_alike &= sorted(plain["files"].items()) == sorted(found[1].items())
        return None if is_alike else f"{found} instead of {plain}"


class Index(_Json):
    """The index of raw files; a damaged one is ignored and never gives wrong entries."""

    def tree(self, folder: Path) -> Any:
        root = folder / "root"
        (root / "data" / NAME).mkdir(parents=True, exist_ok=True)
        write_simple(root / "data" / NAME / "a.nc")
        build_index(experiment(root), folder / "fresh.json")
        return json.loads((folder / "fresh.json").read_text("utf-8"))

    def read(self, path: Path) -> Any:
        return build_index(experiment(path.parent / "root"), path)

    def difference(self, path: Path, found: Any) -> str | None:
        wanted = build_index(experiment(path.parent / "root"), path.with_name("fresh.json"))
        return None if found == wanted else f"{found} instead of {wanted}"


class Checkpoint(Subject):
    """A training checkpoint."""

    def tree(self) -> dict[str, Any]:
        state = {"epoch": 3, "weights": {"w": torch.arange(6.0)}, "losses": [0.5, 0.25]}
        return {"kind": "training checkpoint", "settings": {"epochs": 4}, "state": state}

    def whole(self, folder: Path, seed: int) -> bytes:
        tree = self.tree()
        save_checkpoint(folder / "whole", tree["state"], settings=tree["settings"])
        content = (folder / "whole").read_bytes()
        (folder / "whole").unlink()
        return content

    def make(self, path: Path, content: Any) -> None:
        torch.save(edited(self.tree(), content["edits"]), path)

    def read(self, path: Path) -> Any:
        return load_checkpoint(path, settings={"epochs": 4})

    def difference(self, path: Path, found: Any) -> str | None:
        wanted = torch.load(path, weights_only=True)["state"]
        return None if repr(found) == repr(wanted) else f"{found} instead of {wanted}"


class Model(Subject):
    """The file of a trained surrogate."""

    def whole(self, folder: Path, seed: int) -> bytes:
        config = {"model": {"synthetic": _section()}, "run_params": {"model_type": "synthetic"}}
        model = surrogate("ConvNet", (PERIODIC,), architecture={"kernel_size": 3})
        save_synthetic_model(
            folder / "whole", model, parse_experiment(config), GRID, (FieldLayout("u"),), 0.5
        )
        content = (folder / "whole").read_bytes()
        (folder / "whole").unlink()
        return content

    def make(self, path: Path, content: Any) -> None:
        path.write_bytes(self.whole(path.parent, 0))
        tree = torch.load(path, weights_only=True)
        weights = tree.pop("weights")
        tree = edited(tree, content["edits"])
        torch.save({"weights": weights, **tree} if isinstance(tree, dict) else tree, path)

    def read(self, path: Path) -> Any:
        saved = load_saved_model(path)
        assert math.isfinite(saved.dt) and all(map(math.isfinite, saved.grid.spacing))
        state = torch.zeros(1, saved.model.in_channels, *saved.grid.shape)
        with torch.no_grad():
            saved.model.rollout(state, 2)
        return saved.model.state_dict()

    def difference(self, path: Path, found: Any) -> str | None:
        wanted = torch.load(path, weights_only=True)["weights"]
        same = [name for name in wanted if torch.equal(found[name], wanted[name])]
        return None if set(same) == set(wanted) == set(found) else f"{set(wanted) - set(same)}"


def _section() -> dict[str, Any]:
    architecture = {"hidden_channels": 4, "layers": 3, "kernel_size": 3, "activation": "tanh"}
    specs = {"input_specs": {"u": 1}, "output_specs": {"u": 1}}
    return {"name": "ConvNet", "architecture": architecture, **specs}


class _Yaml(Subject):
    """A YAML file."""

    def tree(self) -> Any:
        raise NotImplementedError

    def whole(self, folder: Path, seed: int) -> bytes:
        return yaml.safe_dump(self.tree()).encode()

    def make(self, path: Path, content: Any) -> None:
        tree = edited(self.tree(), content.get("edits", []))
        path.write_text(content.get("text") or yaml.safe_dump(tree), "utf-8")

    def difference(self, path: Path, found: Any) -> str | None:
        return None


class ExperimentFile(_Yaml):
    """The experiment."""

    def tree(self) -> Any:
        return tiny_experiment()

    def read(self, path: Path) -> Any:
        return load_experiment(path)

    def difference(self, path: Path, found: Any) -> str | None:
        again = parse_experiment(found)
        return None if again.name else "no name"


class Parameters(_Yaml):
    """Calibrated parameters."""

    def tree(self) -> Any:
        viscosity = {"value": 0.01, "std": 1e-4, "initial_guess": 0.02, "bounds": [0.0, 1.0]}
        numerics = {"scheme": "finite_difference", "order": 4, "refine": 1}
        return {"parameters": {"viscosity": viscosity}, "status": "x", "numerics": numerics}

    def read(self, path: Path) -> Any:
        return read_result(path)

    def difference(self, path: Path, found: Any) -> str | None:
        wanted = yaml.safe_load(path.read_text("utf-8")) | {"fields": {}}
        return None if repr(found) == repr(wanted) else f"{found} instead of {wanted}"


OTHERS: dict[str, Subject] = {
    "cached simulation": Cache("sim_000000.safetensors"),
    "manifest": Manifest("cached_000000-000002.json"),
    "index": Index("index-0.json"),
    "checkpoint": Checkpoint("trainer.pt"),
    "synthetic model": Model("synthetic_model.pt"),
    "experiment": ExperimentFile("burgers.yaml"),
    "parameters": Parameters("parameters.yaml"),
}
