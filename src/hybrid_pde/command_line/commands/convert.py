"""``hybrid-pde convert``: caches, generated simulations and rollouts as NetCDF or Zarr."""

from pathlib import Path
from typing import Annotated

import typer

Source = Annotated[
    Path,
    typer.Argument(help="Folder of cached or generated simulations, one of them, or rollouts.nc."),
]
Output = Annotated[Path, typer.Option(help="File to write: .nc (NetCDF) or .zarr.")]
Simulation = Annotated[
    int | None,
    typer.Option(min=0, help="The only simulation of a folder.", show_default="all of them"),
]


def command(source: Source, output: Output, simulation: Simulation = None) -> None:
    """Write simulations or rollouts as NetCDF or Zarr (CF)."""
    from hybrid_pde.data.dataset_file import check_output
    from hybrid_pde.data.simulation_conversion import convert

    check_output(output)
    numbers = convert(source, output, simulation)
    count = f"{len(numbers)} simulation(s) of " if numbers else ""
    print(f"{output}: {count}{source}")
