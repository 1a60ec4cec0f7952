"""A tiny default experiment that runs in seconds; ``tests/workflow/tiny.py FILE`` writes it."""

import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]


def tiny_experiment(**sections: Any) -> dict[str, Any]:
    """``config/burgers_2d.yaml`` with small grids, few simulations and epochs.

    Args:
        **sections: Sections to replace.
    """
    text = (ROOT / "config" / "burgers_2d.yaml").read_text(encoding="utf-8")
    experiment = yaml.safe_load(text)
    experiment["generation_params"] |= {
        "num_simulations": 4,
        "resolution": {"x": 16, "y": 12},
        "domain": {"x": [0.0, 1.0], "y": [0.0, 0.75]},
        "steps": 8,
    }
    experiment["generation_params"]["initial_condition"] |= {"amplitude": 0.3, "length_scale": 0.3}
    experiment["model"]["synthetic"]["architecture"] = {"hidden_channels": 4, "depth": 1}
    experiment["trainer_params"] |= {
        "train_sim": [0, 1],
        "val_sim": [2],
        "test_sim": [3],
        "num_predict_steps": 2,
    }
    experiment["trainer_params"]["physical"] |= {"num_predict_steps": 4}
    experiment["trainer_params"]["synthetic"] |= {"epochs": 3, "batch_size": 4}
    experiment["augmentation"] = {"num_simulations": 3, "alpha": 0.5}
    experiment["evaluation_params"] = {"num_steps": 6}
    return experiment | sections


def write_experiment(path: Path, **sections: Any) -> Path:
    """Write the tiny experiment to a YAML file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(tiny_experiment(**sections)), encoding="utf-8")
    return path


def settings_path(folder: Path, settings: str) -> str:
    """Path of a new file in ``folder`` with the settings of a stage."""
    path = folder / f"settings_{len(list(folder.glob('settings_*')))}.json"
    path.write_text(settings, encoding="utf-8")
    return str(path)


if __name__ == "__main__":
    write_experiment(Path(sys.argv[1]))
