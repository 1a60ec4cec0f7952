"""A call imports only the user's modules that belong to the experiments it requests."""

from pathlib import Path

import pytest

from hybrid_pde.errors import ConfigError
from hybrid_pde.workflow.requested_experiments import RequestedExperiments
from tests.workflow.snakemake_run import TARGET, run
from tests.workflow.tiny import tiny_experiment, write_experiment

CANARY = "imported"
OWN = f"from pathlib import Path\nPath('{CANARY}').touch()\n"


def own_model(dset_name: str) -> dict[str, object]:
    """Sections of an experiment with a module of its own."""
    model = tiny_experiment()["model"]
    model["synthetic"] |= {"name": "Own", "module": "own.py", "architecture": {}}
    return {"model": model, "data": {"dset_name": dset_name, "fields": ["velocity"]}}


@pytest.mark.parametrize("shared", ["asked", "elsewhere"])
def test_modules_of_other_experiments_are_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(OWN)
    asked = tiny_experiment()["data"] | {"dset_name": "asked"}
    write_experiment(Path("config/asked.yaml"), run_params={}, data=asked)
    for name in ("burgers_2d", "a_first"):  # the default experiment, and the first in the folder
        write_experiment(Path(f"config/{name}.yaml"), run_params={}, **own_model(shared))
    plans = RequestedExperiments({}, claim=False)
    assert plans["asked"].raw_dir == "data/asked"
    assert plans.by_directory("cache_dir", "data/cache/asked").raw_dir == "data/asked"
    assert plans.by_directory("raw_dir", "data/asked").raw_dir == "data/asked"
    assert plans.names_with_cycles == []
    with pytest.raises(ConfigError, match="no experiment in config/ has this folder"):
        plans.by_directory("raw_dir", "data/nothing")
    assert not Path(CANARY).exists()
    with pytest.raises(ConfigError, match="model.synthetic.name: 'Own' is unknown"):
        plans["burgers_2d"]
    assert Path(CANARY).exists()


def test_ctrl_c_while_snakemake_plans_is_one_sentence(tmp_path: Path) -> None:
    write_experiment(tmp_path / "config/burgers_2d.yaml", **own_model("burgers_2d"))
    (tmp_path / "own.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    ended = run(tmp_path, "--dry-run", TARGET)
    assert ended.returncode == 75, ended.stdout
    assert "ended by SIGINT\n" in ended.stdout
    assert "Traceback" not in ended.stdout
