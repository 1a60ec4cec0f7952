"""Surrogates in exported ONNX files, run by onnxruntime.

An ONNX file is data: a graph of operators that onnxruntime implements. It is loaded from memory,
so files that it might point to are not read.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from hybrid_pde.domain.data_description import DataDescription
from hybrid_pde.domain.small_file import MIB, read_small_bytes
from hybrid_pde.errors import CheckpointError, StateError
from hybrid_pde.models.synthetic.exported_step import FORMAT_VERSION
from hybrid_pde.models.synthetic.extrapolation import checked_ranges

MAX_BYTES = 2048 * MIB  # the format's own limit


class OnnxSurrogate:
    """A surrogate that onnxruntime runs, with the interface of a loaded one.

    Args:
        path: File that :func:`~hybrid_pde.models.synthetic.exported_step.export_step` wrote.

    Attributes:
        data: The data that it was trained on.
        input_specs: Channels of each input.
        output_specs: Channels of each predicted field.
        parameter_defaults: Values of parameters for simulations without their own.
        training_range: Smallest and largest value of each channel of each input in the training.

    Raises:
        CheckpointError: if the file is absent, damaged, or not exported by this program.
    """

    def __init__(self, path: str | Path) -> None:
        import onnxruntime

        path = Path(path)
        try:
            content = read_small_bytes(path, MAX_BYTES)
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 4  # the error is reported below
            self._session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except OSError as error:
            raise CheckpointError(f"{path}: {error.strerror or error}; expected a model") from None
        except Exception as error:  # onnxruntime's errors have no common class
            reason = str(error).strip().split("\n", 1)[0][:200]
            raise CheckpointError(f"{path}: damaged, or no ONNX model: {reason}") from None
        stored = self._session.get_modelmeta().custom_metadata_map
        try:
            values = {name: json.loads(text) for name, text in stored.items()}
            described = _Metadata.model_validate(values)
            self.training_range = checked_ranges(described.training_range, described.input_specs)
            self.data: DataDescription | None = DataDescription.from_dict(
                {**values, "layouts": described.fields}
            )
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            reason = " ".join(str(error).split())[:200]
            raise CheckpointError(
                f"{path}: no model that `hybrid-pde export` wrote (version {FORMAT_VERSION}): its "
                f"metadata lack grid, fields or time step: {reason}"
            ) from None
        self.input_specs: Mapping[str, int] = described.input_specs
        self.output_specs: Mapping[str, int] = described.output_specs
        self.parameter_defaults = {k: tuple(v) for k, v in described.parameter_defaults.items()}
        self._bundle = described.bundle
        names = {layout.name for layout in self.data.layouts}
        self._parameters = [name for name in self.input_specs if name not in names]
        self._check_interface(path)

    def rollout(self, state: torch.Tensor, steps: int) -> torch.Tensor:
        """``[B, C_in, *space]``, parameters as constant channels, to ``[B, steps, C_out, *space]``.

        Raises:
            StateError: if the state needs double precision, which the exported step lacks.
        """
        if state.dtype == torch.float64:
            raise StateError(
                "the state varies too little around its mean for single precision, in which an "
                "exported model computes; use the synthetic_model.pt, which rounds differences only"
            )
        fields, given, first = {}, {}, 0
        for name, channels in self.input_specs.items():
            part = state[:, first : first + channels].numpy()
            first += channels
            if name in self._parameters:
                given[name] = part.reshape(*part.shape[:2], -1)[..., 0]
            else:
                fields[name] = part
        frames: list[np.ndarray] = []
        while len(frames) < steps:
            inputs = {"state": np.concatenate(list(fields.values()), axis=1), **given}
            output = np.asarray(self._session.run(None, inputs)[0])
            frames += [output] if self._bundle == 1 else list(np.moveaxis(output, 1, 0))
            places = np.cumsum([0, *self.output_specs.values()])
            for name, start, stop in zip(self.output_specs, places, places[1:], strict=False):
                fields[name] = frames[-1][:, start:stop]
        return torch.from_numpy(np.stack(frames[:steps], axis=1))

    def _check_interface(self, path: Path) -> None:
        """Reject a graph with other inputs than the metadata say."""
        found = [each.name for each in self._session.get_inputs()]
        wanted = ["state", *self._parameters]
        fields = set(self.input_specs) - set(self._parameters)
        if found != wanted or not set(self.output_specs) <= fields:
            raise CheckpointError(
                f"{path}: its inputs are {', '.join(found)}; its metadata say {', '.join(wanted)}; "
                "export it again"
            )


class _Metadata(BaseModel):
    """Types of the metadata that are no description of the data."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    hybrid_pde: int = Field(ge=FORMAT_VERSION, le=FORMAT_VERSION)
    fields: list[Any]
    input_specs: dict[str, int]
    output_specs: dict[str, int]
    bundle: int = Field(ge=1)
    parameter_defaults: dict[str, list[float]]
    training_range: dict[str, list[list[float]]] = {}
