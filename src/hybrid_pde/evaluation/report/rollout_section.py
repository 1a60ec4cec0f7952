"""Rollouts of the report: styles of their pictures, and what its slider shows."""

from collections.abc import Mapping, Sequence
from typing import Any

STRIP_FRAMES = 4  # beside each other in print, and of the data


def rollout_styles(rollouts: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Class and data URI of each column of pictures, for the page's styles."""
    return [
        (picture_class(r, f, p), f"data:image/png;base64,{panel['png']}")
        for r, rollout in enumerate(rollouts)
        for f, field in enumerate(rollout["fields"])
        if field["kind"] == "images"
        for p, panel in enumerate(field["panels"])
    ]


def picture_class(rollout: int, field: int, panel: int) -> str:
    """Name of the class of a column of pictures."""
    return f"frames-{rollout}-{field}-{panel}"


def strip(rollout: Mapping[str, Any]) -> list[tuple[int, str]]:
    """Positions in the column, and times, of a few evenly chosen frames."""
    last = len(rollout["frames"]) - 1
    chosen = sorted({round(share * last / (STRIP_FRAMES - 1)) for share in range(STRIP_FRAMES)})
    unit = f" {rollout['time_unit']}" if rollout["time_unit"] else ""
    return [(at, f"t = {rollout['times'][at]}{unit}") for at in chosen]


def clock(rollout: Mapping[str, Any]) -> str:
    """Labels of the slider's positions, separated by ``|``."""
    unit = f" {rollout['time_unit']}" if rollout["time_unit"] else ""
    return "|".join(
        f"t = {time}{unit} (step {frame})"
        for time, frame in zip(rollout["times"], rollout["frames"], strict=True)
    )
