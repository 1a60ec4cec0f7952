"""Symmetry augmentation of training windows.

Layout: ``B`` windows, ``T`` steps, ``C`` channels, ``X Y Z`` space.
"""

import logging
from typing import Any, TypeVar

from hybrid_pde.config.checks.symmetries import ValidSymmetries, box_of, find_symmetries
from hybrid_pde.config.derived import equation_of
from hybrid_pde.config.equations import EquationSpec
from hybrid_pde.config.schema import Experiment
from hybrid_pde.data.symmetries.symmetric_dataset import BatchSource, SymmetricDataset
from hybrid_pde.domain.known_values import KnownParameter
from hybrid_pde.errors import ConfigError
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.result_warnings import warn_of_result

logger = logging.getLogger(__name__)

Source = TypeVar("Source", bound=BatchSource)
SAMPLED_WINDOWS = 64  # gives the standard deviation of a velocity to a few percent


def with_symmetries(experiment: Experiment, dataset: Source) -> Source | SymmetricDataset:
    """The windows with random symmetry transformations; the data set itself without symmetries.

    Args:
        experiment: Sections ``augmentation``, ``model`` and ``data``, the learnable parameters,
            and the seed.
        dataset: Windows of native tensors, real ones or real and generated ones.

    Raises:
        ConfigError: if a symmetry does not hold, with the reason for each.
    """
    if not experiment.augmentation.symmetries:
        return dataset
    spec = _equation(experiment)
    known = [kind for part in _parts(dataset) for kind in _known(part)]
    layouts = {each.name: each for each in (*dataset.output_layouts, *dataset.layouts)}
    # an input parameter is constant in space and is transformed with the window
    fields = [each for name, each in layouts.items() if name in experiment.data.fields]
    held, lines = find_symmetries(experiment, spec, box_of(dataset.grid, fields, known))
    if lines:
        raise ConfigError("\n".join(lines))
    _log_symmetries(held, dataset.grid.axes, spec)
    seed = experiment.run_params.seed
    boost = _deviation(dataset, held.boosted) if held.boosts else 0.0
    return SymmetricDataset(dataset, held, seed=seed, boost=boost)


def _equation(experiment: Experiment) -> EquationSpec | None:
    section = experiment.model.physical
    if section is not None and section.module:
        return ModelRegistry(experiment).physical_class().spec
    return equation_of(experiment)


def _parts(dataset: Any) -> list[Any]:
    """The data sets of a mixture."""
    real = getattr(dataset, "real_dataset", None)
    return [dataset] if real is None else [*_parts(real), *_parts(dataset.generated)]


def _known(part: Any) -> tuple[KnownParameter, ...]:
    """Known parameters of the simulations; all simulations of a store have the same ones."""
    part = getattr(part, "windows", part)  # the windows inside ObservedWindows
    store = getattr(part, "store", None)
    return () if store is None else store.header(part.sim_indices[0]).known


def _deviation(dataset: BatchSource, name: str) -> float:
    """Standard deviation of a field's channels about their means, over some of the windows."""
    count = min(SAMPLED_WINDOWS, len(dataset))
    inputs = dataset.gather([number * len(dataset) // count for number in range(count)])[0]
    first = 0
    for layout in dataset.layouts:
        if layout.name == name:
            channels = inputs[:, first : first + layout.channels].double()
            mean = channels.mean(dim=(0, *range(2, channels.ndim)), keepdim=True)
            return float((channels - mean).square().mean().sqrt())
        first += layout.channels
    raise AssertionError(f"{name} is not an input")


def _log_symmetries(
    held: ValidSymmetries, axes: tuple[str, ...], spec: EquationSpec | None
) -> None:
    kinds = {
        "translation along": [axes[i] for i in held.translations],
        "reflection of": [axes[i] for i in held.reflections],
        "rotation in": ["".join(axes[i] for i in plane) for plane in held.rotations],
        "Galilean shift along": [axes[i] for i in held.boosts],
    }
    text = "; ".join(f"{kind} {', '.join(names)}" for kind, names in kinds.items() if names)
    logger.info("windows are transformed by %s", text)
    if spec is None:
        warn_of_result(
            "augmentation.symmetries: model.physical names no equation; the symmetries are assumed "
            "to hold, vectors are rotated and scalars are unchanged"
        )
