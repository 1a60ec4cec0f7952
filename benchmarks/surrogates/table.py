"""Rows of the table printed by the benchmarks."""

HEADER = "what | to reach | measured | verdict | details"


def say(what: str, measured: float, *details: str, least: float = 0.0, most: float = 0.0) -> None:
    """Print one row: quantity, limit (``least`` or ``most``), value, and verdict."""
    reached = measured >= least if least else measured <= most
    limit = f"at least {least:g}" if least else f"at most {most:g}"
    verdict = "reached" if reached else "NOT REACHED"
    print(what, limit, f"{measured:.3g}", verdict, "; ".join(details), sep=" | ", flush=True)


def note(what: str, *details: str) -> None:
    """Print a row without a value or limit."""
    print(what, "-", "-", "-", "; ".join(details), sep=" | ", flush=True)
