"""Training windows of a surrogate: real windows as far as observed, and generated ones.

Layout: ``T`` steps, ``C`` channels, ``X Y Z`` space.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hybrid_pde.config.derived import (
    chosen_simulations,
    complete_training,
    is_calibrated_by_simulation,
    own_parameters,
)
from hybrid_pde.config.schema import Experiment
from hybrid_pde.data.cache.cache_header import CacheHeader
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.data.windows.augmented_dataset import AugmentedDataset
from hybrid_pde.data.windows.hybrid_dataset import HybridDataset
from hybrid_pde.errors import ConfigError, DivergenceError
from hybrid_pde.result_warnings import warn_of_result
from hybrid_pde.training.synthetic.observed_windows import ObservedWindows

if TYPE_CHECKING:
    from hybrid_pde.models.physical.physical_model import PhysicalModel

RealWindows = HybridDataset | ObservedWindows
PASSES = 10  # over the generated windows, which a training of ten epochs or more makes


def real_windows(
    experiment: Experiment,
    store: SimulationStore,
    sim_indices: Sequence[int] | None = None,
    use_sliding_window: bool = True,
    physical: "PhysicalModel | None" = None,
    num_predict_steps: int | None = None,
) -> RealWindows:
    """Windows of native tensors with the channels of the surrogate.

    Args:
        experiment: Sections ``model.synthetic``, ``trainer_params`` and ``data.observations``.
        store: The simulations.
        sim_indices: Which of them, by default ``trainer_params.train_sim``.
        use_sliding_window: Whether windows overlap.
        physical: The calibrated model, which fills in what ``data.observations`` hides, and gives
            the values of parameters that are inputs.
        num_predict_steps: Length of the windows, by default ``trainer_params.num_predict_steps``.

    Raises:
        ConfigError: if there are no simulations to train on, or no surrogate.
    """
    section, training = experiment.model.synthetic, complete_training(experiment)
    steps = num_predict_steps or training.num_predict_steps
    if section is None:
        raise ConfigError("model.synthetic: missing; it defines the input and output fields")
    is_observed = experiment.data.observations is not None
    # Without a model that fills in hidden values, ObservedWindows chooses the length of windows.
    is_free = is_observed and physical is None
    windows = HybridDataset(
        store,
        chosen_simulations(sim_indices, training.train_sim),
        list(section.input_specs),
        num_predict_steps=1 if is_free else steps,
        dynamic_fields=list(section.output_specs),
        use_sliding_window=use_sliding_window or is_free,
        parameters={} if physical is None else parameter_inputs(experiment, physical),
    )
    _warn_of_precision(experiment, store, windows.sim_indices[0])
    _warn_of_unseen_parameters(experiment)
    warn_of_unseen_medium(experiment, store.header(windows.sim_indices[0]))
    if not is_observed:
        return windows
    return ObservedWindows(windows, experiment, steps, physical, use_sliding_window)


def parameter_inputs(
    experiment: Experiment, physical: "PhysicalModel"
) -> dict[str, tuple[float, ...]]:
    """Calibrated values of parameters that are inputs of the surrogate, by name.

    A parameter of which each simulation has a value of its own has none for all.

    Raises:
        ConfigError: if one is a field.
    """
    section = experiment.model.synthetic
    assert section is not None
    named = dict(physical.named_parameters())
    found = {}
    for name, channels in section.input_specs.items():
        if name in (*experiment.data.fields, *own_parameters(experiment)) or name not in named:
            continue
        numbers = named[name].detach().reshape(-1).tolist()
        if len(numbers) != channels:
            raise ConfigError(
                f"model.synthetic.input_specs.{name}: {channels}: the calibrated parameter has "
                f"{len(numbers)} value(s)"
            )
        found[name] = tuple(numbers)
    return found


def mix(
    experiment: Experiment,
    real: RealWindows,
    generated: CacheManager,
    generated_indices: Sequence[int],
    uses_all: bool = False,
) -> RealWindows | AugmentedDataset:
    """Mix real and generated windows with the fraction ``augmentation.alpha`` of generated ones.

    An epoch has ``windows_per_epoch`` windows, by default every real window once.

    Args:
        experiment: Sections ``augmentation``, ``trainer_params.synthetic`` and the seed.
        real: Windows of the training simulations.
        generated: Store of the generated simulations.
        generated_indices: Indices of the generated simulations; without any, real windows only.
        uses_all: Whether epochs are longer by default where they would leave generated windows
            unused, because there are few real ones; see :func:`epoch_length`.
    """
    if not generated_indices:
        return real
    windows = real.like(generated, generated_indices)
    alpha, training = experiment.augmentation.alpha, complete_training(experiment)
    length = training.windows_per_epoch
    if length is None and uses_all:
        length = epoch_length(len(real), len(windows), alpha, training.epochs)
    return AugmentedDataset(real, windows, alpha, seed=experiment.run_params.seed, length=length)


def epoch_length(real: int, generated: int, alpha: float, epochs: int) -> int:
    """Number of windows of an epoch with every real window once, and enough generated ones.

    In a training of n epochs each generated window is drawn min(n, 10) times on average, or more
    often if there are as many real ones.

    Args:
        real: Number of real windows.
        generated: Number of generated windows.
        alpha: Share of generated windows.
        epochs: Number of epochs.
    """
    if alpha in (0, 1):
        return generated if alpha else real
    of_real = real / (1 - alpha)
    of_generated = generated / alpha * min(1.0, PASSES / epochs)
    return max(1, math.floor(max(of_real, of_generated) + 0.5))


def check_left_out(experiment: Experiment, made: Sequence[int]) -> None:
    """Check that few generated simulations are missing, since a wrong model makes most diverge.

    Args:
        experiment: Section ``augmentation``.
        made: The generated simulations that are there.

    Raises:
        DivergenceError: if more are missing than ``augmentation.max_left_out`` allows.
    """
    section = experiment.augmentation
    missing = sorted({*range(section.num_simulations)} - {*made})
    if len(missing) > section.max_left_out * section.num_simulations:
        some = ", ".join(map(str, missing[:10])) + (", …" if len(missing) > 10 else "")
        raise DivergenceError(
            f"augmentation.max_left_out: {section.max_left_out:g}: {len(missing)} of "
            f"{section.num_simulations} generated simulations diverged ({some}), as the logs of "
            "the stage augment say; see that the calibration is right, lower "
            "augmentation.initial_condition.amplitude or augmentation.steps, or allow more"
        )


def _warn_of_unseen_parameters(experiment: Experiment) -> None:
    """Warn of a surrogate that cannot tell simulations with different parameters apart."""
    section = experiment.model.synthetic
    assert section is not None
    unseen = [name for name in own_parameters(experiment) if name not in section.input_specs]
    if unseen and is_calibrated_by_simulation(experiment):
        warn_of_result(
            f"{', '.join(unseen)}: each simulation has a value of its own, but it is no input of "
            "the surrogate, which therefore learns an average over them. Add "
            f"{unseen[0]}: 1 to model.synthetic.input_specs"
        )


def warn_of_unseen_medium(experiment: Experiment, header: CacheHeader) -> None:
    """Warn of a surrogate that cannot tell the places of a medium apart, as in a current.

    Args:
        experiment: Sections ``data`` and ``model.synthetic``.
        header: Description of a training simulation.
    """
    section = experiment.model.synthetic
    assert section is not None
    stated = [each.name for each in header.known if each.is_field and each.static]
    constant = {layout.name for layout in header.layouts if layout.static}
    if stated and not constant & {*section.input_specs}:
        sources = experiment.data.known_parameters.get(stated[0])
        names = [sources] if isinstance(sources, str) else sources
        named = names if isinstance(names, list) else stated[:1]
        warn_of_result(
            f"{', '.join(stated)}: varies in space, and the surrogate does not see it, so it "
            f"cannot learn what happens where. Add {', '.join(named)} to data.fields, and with "
            "their numbers of channels to model.synthetic.input_specs, as "
            f"{{{', '.join(f'{name}: 1' for name in named)}}}"
        )


def _warn_of_precision(experiment: Experiment, store: SimulationStore, simulation: int) -> None:
    """Warn of a training in half precision on fields that even single precision does not keep."""
    section, training = experiment.model.synthetic, experiment.trainer_params.synthetic
    if training.precision == "single" or section is None:
        return
    double = store.header(simulation).double
    if names := [name for name in section.input_specs if name in double]:
        warn_of_result(
            f"trainer_params.precision: {training.precision}: {', '.join(names)}: stored in double "
            f"precision, since single loses part of the variation; {training.precision} keeps "
            "three digits of it or fewer. Use trainer_params.precision: single, or subtract the "
            "mean in the raw files"
        )
