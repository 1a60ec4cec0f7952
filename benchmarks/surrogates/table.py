"""The rows that the benchmarks print."""

HEADER = "what | to reach | measured | verdict | details"


def say(what: str, measured: float, *details: str, least: float = 0.0, most: float = 0.0) -> None:
    """One row: what was measured, the limit (``least`` or ``most``), and whether it was kept."""
    reached = measured >= least if least else measured <= most
    limit = f"at least {least:g}" if least else f"at most {most:g}"
    verdict = "reached" if reached else "NOT REACHED"
    print(what, limit, f"{measured:.3g}", verdict, "; ".join(details), sep=" | ", flush=True)


def note(what: str, *details: str) -> None:
    """A row of something that was not measured, or has no limit."""
    print(what, "-", "-", "-", "; ".join(details), sep=" | ", flush=True)
