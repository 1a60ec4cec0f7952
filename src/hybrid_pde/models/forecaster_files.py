"""Files of models that can make forecasts, told apart by their names."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from hybrid_pde.errors import CheckpointError
from hybrid_pde.models.forecast import Forecaster

_KINDS = (
    "a model is a surrogate (synthetic_model.pt, or exported as .onnx) or the folder of a "
    "calibration (results/<name>/physical)"
)


def load_forecaster(path: Path, values: Mapping[str, Sequence[float]] | None = None) -> Forecaster:
    """The model of a file or folder.

    Args:
        path: ``synthetic_model.pt``, an exported ``.onnx``, or ``results/<name>/physical``.
        values: Values of parameters, of which those that differ between the simulations of the
            calibration are needed.

    Raises:
        CheckpointError: if it is something else, damaged, or a ``.pt2``, which is never loaded.
        CalibrationError: if the calibrated model cannot be rebuilt.
        StateError: if the model does not know its data.
    """
    suffix = path.suffix.lower()
    if suffix == ".pt2":
        raise CheckpointError(
            f"{path}: loading a .pt2 file can execute code, so it is not loaded here; use the "
            "synthetic_model.pt that it was exported from, or an .onnx"
        )
    if not path.exists():
        raise CheckpointError(f"{path}: there is no such file or folder; {_KINDS}")
    if suffix in (".pt", ".onnx"):
        from hybrid_pde.models.synthetic.surrogate_forecaster import SurrogateForecaster

        if suffix == ".onnx":
            from hybrid_pde.models.synthetic.onnx_surrogate import OnnxSurrogate

            return SurrogateForecaster(OnnxSurrogate(path))
        from hybrid_pde.models.surrogate_file import load_synthetic_model

        return SurrogateForecaster(load_synthetic_model(path))
    if not path.is_dir() and path.name != "parameters.yaml":
        raise CheckpointError(f"{path}: no model: the ending is {suffix!r}; {_KINDS}")
    # imports PhiFlow, which a surrogate does not need
    from hybrid_pde.models.physical.calibrated_model import (
        load_physical_model,
        parameters_by_simulation,
        values_in_place_of_stated,
    )
    from hybrid_pde.models.physical.physical_forecaster import PhysicalForecaster

    own = parameters_by_simulation(path)
    given = {name: list(value) for name, value in (values or {}).items() if name in own}
    chosen = values_in_place_of_stated(path)
    chosen |= {name: value[0] if len(value) == 1 else value for name, value in given.items()}
    return PhysicalForecaster(load_physical_model(path, values=chosen))
