"""``hybrid-pde predict``: a forecast from a state in any readable file."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hybrid_pde.command_line.own_module import OwnModule, import_own_module

if TYPE_CHECKING:
    import xarray as xr

Model = Annotated[
    Path,
    typer.Argument(help="synthetic_model.pt, an exported .onnx, or results/<name>/physical."),
]
Initial = Annotated[Path, typer.Option(help="File of the state, in any format that is read.")]
Steps = Annotated[int, typer.Option(min=1, help="Number of frames.")]
Output = Annotated[Path, typer.Option(help="File to write: .nc (NetCDF) or .zarr.")]
Simulation = Annotated[int, typer.Option(min=0, help="Number of the simulation in the file.")]
Index = Annotated[
    int | None,
    typer.Option(help="Number of the frame, negative from the end.", show_default="the last"),
]
Parameters = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="Values of parameters, e.g. viscosity=0.02; several by commas or repeated, vectors as "
        "velocity=[1,0.5]. They take precedence over those of the file.",
    ),
]
Regrid = Annotated[
    bool, typer.Option("--regrid", help="Interpolate a state on another grid to the model's.")
]


def command(
    model: Model,
    initial: Initial,
    steps: Steps,
    output: Output,
    simulation: Simulation = 0,
    index: Index = None,
    parameters: Parameters = None,
    regrid: Regrid = False,
    module: OwnModule = None,
) -> None:
    """Continue a state with a surrogate or a calibrated model.

    Grid, axes, boundary and units of the state are checked against those of the model's data. The
    output has the frames 1 to N of the model's fields, by the CF conventions.
    """
    from hybrid_pde.command_line.parameter_options import parse_parameters
    from hybrid_pde.data.dataset_file import check_output, write_dataset
    from hybrid_pde.data.initial_states.start_state import StateRequest
    from hybrid_pde.models.forecast import forecast_file
    from hybrid_pde.models.forecaster_files import load_forecaster

    check_output(output)
    import_own_module(module)
    given = parse_parameters(parameters or [])
    request = StateRequest(simulation, index, given, regrid)
    forecaster = load_forecaster(model, given)
    forecast = forecast_file(forecaster, initial, steps, request)
    write_dataset(output, forecast)
    unit, factor = forecaster.data.units.shown_time
    times = factor * forecast["time"].values
    print(f"model: {forecast.attrs['source']}, {model}")
    print(f"state: {forecast.attrs['initial_state']}")
    used = {
        name: f"{name} = {_shown(value)} {forecaster.unit_of(name)}".rstrip()
        for name, value in _parameters(forecast, forecaster.allowed)
    }
    fields = [f"{name} as in the state's file" for name in forecaster.known if name not in used]
    if shown := ", ".join([*used.values(), *fields]):
        print(f"parameters: {shown}")
    span = f"{times[0]:.6g} … {times[-1]:.6g} {unit}".rstrip()
    print(f"{output}: {steps} frames, time {span}")
    for name, values in forecast.data_vars.items():
        unit = values.attrs.get("units", "")
        extent = f"{float(values.min()):.4g} … {float(values.max()):.4g} {unit}".rstrip()
        print(f"  {name} ({', '.join(map(str, values.dims))}): {extent}")


def _parameters(forecast: "xr.Dataset", names: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Parameters of a forecast: variables, where the conventions have an attribute of the name."""
    for name in names:
        if name in forecast.data_vars:
            yield name, forecast[name].values
        elif name in forecast.attrs:
            yield name, forecast.attrs[name]


def _shown(value: Any) -> str:
    """A number, or the numbers of a vector."""
    if getattr(value, "ndim", 0) == 0:
        return f"{float(value):.6g}"
    return f"({', '.join(f'{each:.6g}' for each in value.ravel())})"
