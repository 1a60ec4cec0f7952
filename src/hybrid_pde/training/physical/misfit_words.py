"""Sentences on the structure of a calibration's residuals, in the words of a modeller."""

from collections.abc import Sequence

from hybrid_pde.training.physical.misfit_structure import MisfitStructure

_GROWTH = {
    "constant": "does not grow with lead time",
    "saturating": "grows ever more slowly with lead time",
    "linear": "grows linearly with lead time",
    "faster": "grows faster than linearly with lead time",
}
# Wavelength in cells that a scheme of second order does not resolve.
_FEW_CELLS = 6.0
# Mean as a share of the root mean square from which it is mentioned.
_BIASED = 0.5


def misfit_sentences(found: Sequence[MisfitStructure]) -> list[str]:
    """A sentence for each kind of structure; channels alike share one.

    Args:
        found: Result of :func:`~hybrid_pde.training.physical.misfit_structure.misfit_structure`.
    """
    kinds: dict[str, list[str]] = {}
    for each in found:
        kinds.setdefault(_finding(each), []).append(each.component)
    return [f"the residual of {_listed(names)} {text}" for text, names in kinds.items()]


def _finding(found: MisfitStructure) -> str:
    behaviour = [] if found.growth is None else [_GROWTH[found.growth]]
    if found.follows is not None and found.correlation is not None:
        does = f"follows {found.follows}"
        if found.of_size:
            largest = "largest" if found.correlation > 0 else "smallest"
            does = f"peaks where {found.follows} is {largest}"
        if found.follows == "1":
            does = "has the same sign everywhere"
        behaviour.append(f"{does} (correlation {found.correlation:.2f})")
    if found.wall is not None:
        behaviour.append(f"is largest at {found.wall}")
    if found.wavelength is not None and found.wavelength_cells is not None:
        cells = f"{found.wavelength_cells:.2g} cells"
        behaviour.append(f"has waves of about {found.wavelength:.2g} ({cells})")
    text = " and ".join([", ".join(behaviour[:-1]), *behaviour[-1:]]).removeprefix(" and ")
    return f"{text}: {_conclusion(found)}"


def _is_fine(found: MisfitStructure) -> bool:
    return found.wavelength_cells is not None and found.wavelength_cells < _FEW_CELLS


def _conclusion(found: MisfitStructure) -> str:
    if _is_fine(found):
        return (
            "the grid or the scheme does not resolve the solution (model.physical.numerics.refine)"
        )
    if found.wall is not None:
        other = "" if found.follows is None else f", or else {found.meaning} missing or wrong"
        return f"the boundary condition there may be wrong{other}"
    if found.follows is not None:
        return f"{found.meaning} may be missing or wrong"
    if found.growth == "constant":
        return "errors of the measurement that are alike at neighbours, or of the first frames"
    if abs(found.bias) > _BIASED * found.rms:
        return "a source, a sink or a decay may be missing"
    return "a term of the equation or a boundary condition may be missing or wrong"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + f" and {names[-1]}"
