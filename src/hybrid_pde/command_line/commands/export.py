"""``hybrid-pde export``: a surrogate's step for programs without this library."""

from pathlib import Path
from typing import Annotated

import typer

from hybrid_pde.command_line.own_module import OwnModule, import_own_module

Model = Annotated[Path, typer.Argument(help="synthetic_model.pt.")]
Output = Annotated[Path, typer.Option(help="File to write: .pt2 (torch.export) or .onnx.")]


def command(model: Model, output: Output, module: OwnModule = None) -> None:
    """Write a surrogate's step as .pt2 or .onnx, for other programs.

    Everything that it needs is inside. The inputs are the fields and the parameters of the
    equation, the output is the next state, all in physical units. The exported step is compared
    with the model before it is written.
    """
    from hybrid_pde.models.surrogate_file import load_synthetic_model
    from hybrid_pde.models.synthetic.exported_step import check_suffix, export_step

    check_suffix(output)
    import_own_module(module)
    made = export_step(load_synthetic_model(model), output)
    inputs = ", ".join(f"{name} {shape}" for name, shape in made["inputs"].items())
    batch = "any number of windows" if made["batch"] == "any" else "one window at a time"
    print(f"{output}: {inputs}; {batch}")
    print(f"largest difference from the model: {made['largest_error']:.2g} standard deviations")
