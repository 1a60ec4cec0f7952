"""Text of a complete experiment file, which repeats a run whatever the defaults will be."""

from typing import Any

import yaml
from pydantic import BaseModel

from hybrid_pde.config.json_schema import EDITOR_LINE
from hybrid_pde.config.loading import SHARED, STAGES, to_mapping
from hybrid_pde.config.schema import Experiment

FILE = "experiment.yaml"


def complete_text(experiment: Experiment, origin: str) -> str:
    """The experiment with every key that has a value, those left out included.

    Of ``workflow``, on which no result depends, only ``compile`` is kept, which changes the
    rounding. ``reuse`` is left out: what was taken over is computed again, from the same settings.

    Args:
        experiment: The experiment.
        origin: What made the results, for the comment at the top.
    """
    stage = experiment.run_params.model_type
    mapping = to_mapping(experiment)
    sections: dict[str, Any] = {key: getattr(experiment, key) for key in mapping}
    if stage != "hybrid":
        sections["trainer_params"] = getattr(experiment.trainer_params, stage)
    else:
        _share(mapping["trainer_params"])
    given = {key: _without_unset(sections[key], value) for key, value in mapping.items()}
    given = {key: value for key, value in given.items() if key != "reuse" and value is not None}
    given["workflow"] = {"compile": experiment.workflow.compile}
    head = (
        EDITOR_LINE,
        f"# The complete experiment of results/{experiment.name}, made with {origin}.",
        "# Run it again in the folder that it was run in, or in another one with the same files:",
        f"# snakemake --cores 2 --config experiment=results/{experiment.name}/{FILE}",
        "# Keys that are not here are unset. Relative paths are relative to project_root.",
    )
    body = yaml.safe_dump(
        given, sort_keys=False, allow_unicode=True, width=100, default_flow_style=None
    )
    return "\n".join([*head, body])


def _share(training: dict[str, Any]) -> None:
    """Leave out of the stages' sections what is in ``trainer_params`` for all of them."""
    for stage in STAGES:
        for key in SHARED:
            if training[stage][key] == training[key]:
                del training[stage][key]


def _without_unset(section: Any, dumped: Any) -> Any:
    """The dumped section without keys that are ``None`` by default and have no value."""
    if isinstance(section, BaseModel):
        fields = type(section).model_fields
        return {
            key: _without_unset(getattr(section, key), value)
            for key, value in dumped.items()
            if value is not None or fields[key].default is not None
        }
    if isinstance(section, list | tuple):
        return [_without_unset(*pair) for pair in zip(section, dumped, strict=True)]
    return dumped
