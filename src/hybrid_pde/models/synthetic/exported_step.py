"""Export of a surrogate's step for programs without this library: ``torch.export`` and ONNX.

The exported step has everything inside: parameter channels, padding by the boundary, positions and
normalisation. Its inputs are ``state`` ``[B, C, *space]`` with the channels of the fields in the
order of ``input_specs``, and each parameter of the equation ``[B, numbers]``. Its output is the
next state ``[B, C_out, *space]``; of a model with a ``bundle`` of K > 1 the next K,
``[B, K, C_out, *space]``.
"""

import copy
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from hybrid_pde.data.atomic import atomic_path
from hybrid_pde.data.windows.parameter_channels import as_channels
from hybrid_pde.domain.data_description import DataDescription
from hybrid_pde.errors import ExportError
from hybrid_pde.models.synthetic.synthetic_model import SyntheticModel

PT2, ONNX = ".pt2", ".onnx"
METADATA_FILE = "hybrid_pde.json"  # in a .pt2 file
FORMAT_VERSION = 1
LARGEST_ERROR = 1e-5  # of the exported step, in standard deviations of the fields
_CHECKED = (1, 3)  # windows


class ExportedStep(nn.Module):
    """The module that is exported.

    Args:
        model: The surrogate.
        parameters: The inputs that are parameters of the equation.
    """

    def __init__(self, model: SyntheticModel, parameters: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self._names = tuple(parameters)

    def forward(self, state: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        """The next state, or the states of a bundle."""
        numbers = dict(zip(self._names, parameters, strict=True))
        parts, first = [], 0
        for name, channels in self.model.input_specs.items():
            if name in numbers:
                parts.append(as_channels(numbers[name], state.shape[2:]))
            else:
                parts.append(state[:, first : first + channels])
                first += channels
        whole = torch.cat(parts, dim=1) if numbers else state
        return self.model(whole) if self.model.bundle == 1 else self.model.predict(whole)


def export_step(model: SyntheticModel, path: Path) -> dict[str, Any]:
    """Write the step of a loaded surrogate as ``.pt2`` or ``.onnx``, atomically.

    The file's metadata are those of :func:`exported_metadata`. The exported step is compared with
    the model before it is written.

    Args:
        model: The surrogate, with the description of its data.
        path: File to write.

    Returns:
        ``inputs`` (name and shape), ``batch`` (``any``, or the only number of windows) and
        ``largest_error``, in standard deviations of the fields.

    Raises:
        ExportError: if the architecture or the ending of the name does not allow it.
    """
    check_suffix(path)
    suffix = path.suffix.lower()
    if suffix == ONNX and not model.exports_to_onnx:
        raise ExportError(
            f"{path}: {type(model).__name__} cannot be written as ONNX, whose runtime has no "
            f"complex numbers; export it as {PT2}"
        )
    data = model.data
    assert data is not None, "a model without the description of its data"
    names = {layout.name for layout in data.layouts}
    parameters = [name for name in model.input_specs if name not in names]
    step = ExportedStep(copy.deepcopy(model).eval(), parameters).requires_grad_(False)
    examples = {count: _example(model, data, parameters, count) for count in _CHECKED}
    program, batch = _traced(step, examples, path)
    metadata = exported_metadata(model, data)
    with _quiet():
        if suffix == ONNX:
            content, run = _onnx_bytes(program, examples[1], parameters, metadata, path)
        else:
            content, run = _pt2_bytes(program, metadata), program.module()
    error = max(
        _difference(run, step, model, example)
        for count, example in examples.items()
        if batch in ("any", count)
    )
    if not error <= LARGEST_ERROR:
        raise ExportError(
            f"{path}: the exported step differs from the model by {error:.2g} standard deviations, "
            f"more than {LARGEST_ERROR:g}; this architecture cannot be exported as {suffix}"
        )
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    shapes = [[batch, *each.shape[1:]] for each in examples[1]]
    inputs = dict(zip(("state", *parameters), shapes, strict=True))
    return {"inputs": inputs, "batch": batch, "largest_error": error}


def check_suffix(path: Path) -> None:
    """Check the ending of a file's name, before anything is computed.

    Raises:
        ExportError: if it is neither ``.pt2`` nor ``.onnx``.
    """
    if path.suffix.lower() not in (PT2, ONNX):
        raise ExportError(
            f"{path}: the ending {path.suffix!r} is no format of models; use {PT2} for PyTorch or "
            f"{ONNX} for other programs"
        )


def exported_metadata(model: SyntheticModel, data: DataDescription) -> dict[str, Any]:
    """Grid, fields, time step, units and channels, which a program needs to run the step."""
    described = data.to_dict()
    return {
        "hybrid_pde": FORMAT_VERSION,
        "grid": described["grid"],
        "fields": described["layouts"],
        "dt": described["dt"],
        "units": described["units"],
        "known": described["known"],
        "reading": described["reading"],
        "input_specs": model.input_specs,
        "output_specs": model.output_specs,
        "bundle": model.bundle,
        "parameter_defaults": {k: list(v) for k, v in model.parameter_defaults.items()},
        "training_range": {name: list(ends) for name, ends in model.training_range.items()},
    }


def _example(
    model: SyntheticModel, data: DataDescription, parameters: Sequence[str], count: int
) -> tuple[torch.Tensor, ...]:
    """Random inputs like those of the training."""
    generator = torch.Generator().manual_seed(count)
    state: list[torch.Tensor] = []
    numbers: list[torch.Tensor] = []
    first = 0
    for name, channels in model.input_specs.items():
        places = slice(first, first + channels)
        first += channels
        mean, std = model.input_mean[places], model.input_std[places]
        space = () if name in parameters else data.grid.shape
        drawn = torch.randn(count, channels, *space, generator=generator)
        shape = (-1, *(1,) * len(space))
        values = mean.view(shape) + std.view(shape) * drawn
        (numbers if name in parameters else state).append(values)
    return torch.cat(state, dim=1), *numbers


def _traced(
    step: ExportedStep, examples: dict[int, tuple[torch.Tensor, ...]], path: Path
) -> tuple[torch.export.ExportedProgram, str | int]:
    """The program with any number of windows, else with one."""
    step(*examples[1])  # fills caches, which tracing must not
    batch = torch.export.Dim("windows", min=1)
    first, *others = ({0: batch} for _ in examples[1])
    attempts: list[tuple[str | int, tuple[torch.Tensor, ...], Any]] = [
        ("any", examples[3], (first, tuple(others)) if others else (first,)),
        (1, examples[1], None),
    ]
    for windows, example, dynamic in attempts:
        try:
            with torch.no_grad(), _quiet():
                return torch.export.export(step, example, dynamic_shapes=dynamic), windows
        except Exception as error:  # a user's network may do anything that cannot be traced
            reason = " ".join(str(error).split())[:200]
    raise ExportError(
        f"{path}: {type(step.model).__name__} cannot be traced by torch.export: {reason}; use "
        "operations of PyTorch alone in its forward method"
    )


def _pt2_bytes(program: torch.export.ExportedProgram, metadata: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={METADATA_FILE: json.dumps(metadata)})
    return buffer.getvalue()


def _onnx_bytes(
    program: torch.export.ExportedProgram,
    example: tuple[torch.Tensor, ...],
    parameters: Sequence[str],
    metadata: dict[str, Any],
    path: Path,
) -> tuple[bytes, Callable[..., torch.Tensor]]:
    """The ONNX file and a function that runs it."""
    import onnx
    import onnxruntime

    names = ["state", *parameters]
    try:
        made = torch.onnx.export(
            program, example, input_names=names, output_names=["next_state"], verbose=False
        )
        assert made is not None
        model = made.model_proto
    except Exception as error:  # an operation of a user's network may have no counterpart
        reason = " ".join(str(error).split())[:200]
        raise ExportError(f"{path}: cannot be written as ONNX: {reason}; use {PT2}") from error
    onnx.helper.set_model_props(model, {k: json.dumps(v) for k, v in metadata.items()})
    content = model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def run(*inputs: torch.Tensor) -> torch.Tensor:
        given = {name: each.numpy() for name, each in zip(names, inputs, strict=True)}
        return torch.from_numpy(np.asarray(session.run(None, given)[0]))

    return content, run


def _difference(
    run: Callable[..., torch.Tensor],
    step: ExportedStep,
    model: SyntheticModel,
    example: tuple[torch.Tensor, ...],
) -> float:
    """Largest difference of the outputs, in standard deviations of their channels."""
    with torch.no_grad():
        spread = model.output_std().view(-1, *(1,) * model.spatial_dims)
        return float(((run(*example) - step(*example)) / spread).abs().max())


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporters' remarks on optional packages and their own deprecations."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
