"""Claims of folders of simulated raw files: which experiment's settings they were simulated with.

An experiment may change its own settings; its raw files are then simulated again. Another
experiment with other settings must not overwrite them.
"""

import json
from pathlib import Path
from typing import Any

from hybrid_pde.config.derived import generated_fields
from hybrid_pde.config.schema import Experiment
from hybrid_pde.data.atomic import write_json
from hybrid_pde.errors import CacheError, ConfigError

CLAIM = "generation.json"


def claim_raw_folder(experiment: Experiment, source: str, claim: bool) -> None:
    """Check that the folder of simulated raw files has no other experiment's, and claim it.

    Args:
        experiment: An experiment with ``generation_params``.
        source: Its file, for error messages.
        claim: Whether to claim the folder; false in a dry run.

    Raises:
        ConfigError: naming both experiments, if another one simulates other data there.
        CacheError: if the claim is damaged or cannot be written.
    """
    settings, path = generation_settings(experiment), experiment.raw_dir / CLAIM
    found = _read(path)
    if (
        found is not None
        and found["settings"] != settings
        and found["experiment"] != (experiment.name)
    ):
        raise ConfigError(
            f"{source}: data.dset_name: {experiment.data.dset_name!r}: generation_params of "
            f"{experiment.name!r} differ from those of the experiment {found['experiment']!r}, "
            f"whose simulations are in {experiment.raw_dir}; give one of them another "
            "data.dset_name, or delete the folder"
        )
    if claim and (found is None or found["settings"] != settings):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, {"experiment": experiment.name, "settings": settings})
        except OSError as error:
            raise CacheError(
                f"{path}: cannot be written: {error}; set data.data_dir to a folder that can be"
            ) from None


def generation_settings(experiment: Experiment) -> dict[str, Any]:
    """Everything that decides the content of simulated raw files, as JSON types; no paths."""
    generation = experiment.generation_params
    assert generation is not None
    settings = generation.model_dump(mode="json", exclude={"num_simulations"})
    section = experiment.model.physical
    if settings["seed"] is None:
        settings["seed"] = experiment.run_params.seed
    if settings["equation"] is None and section is not None:
        settings["equation"] = section.name
    return {
        "fields": generated_fields(experiment),
        "boundary": experiment.data.boundary,
        "generation_params": settings,
    }


def _read(path: Path) -> dict[str, Any] | None:
    """Content of the claim; ``None`` if there is none."""
    try:
        found = json.loads(path.read_text("utf-8"))
        return {"experiment": str(found["experiment"]), "settings": dict(found["settings"])}
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CacheError(f"{path}: cannot be read: {error}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CacheError(f"{path}: damaged; delete it, the next run writes it again") from None
