"""Tables and plots of measured speed for ``docs/benchmarks.md``."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import pyplot as plt

from benchmarks.speed.curves import EXPECTED

BEGIN, END = "<!-- speed: begin -->", "<!-- speed: end -->"

matplotlib.use("Agg")


def write(record: Mapping[str, Any], docs: Path) -> None:
    """Replace the tables between the two marks, and the plots."""
    page = docs / "benchmarks.md"
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    page.write_text(f"{before}{BEGIN}\n{tables(record)}\n{END}{after}", encoding="utf-8")
    if ratios := _ratios(record):
        _draw_ratios(ratios, docs / "images/speed_ratios.png")
    if "curves" in record:
        _draw_curves(record["curves"]["measured"], docs / "images/speed_curves.png")


def tables(record: Mapping[str, Any]) -> str:
    """The record as Markdown."""
    lines: list[str] = []
    if ratios := _ratios(record):
        lines += [
            "| what | against | times as fast | quartiles | aimed at |",
            "|---|---|---|---|---|",
            *(_ratio_row(each) for each in ratios),
            "",
            "![Ratios of speed](images/speed_ratios.png)",
            "",
        ]
    if "start_up" in record:
        lines += ["| start of | seconds | aimed at |", "|---|---|---|"]
        lines += [
            f"| {each['what']} | {each['seconds']:.2f} | {_limit('≤', each['most'])} |"
            for each in record["start_up"]["measured"]
        ]
        lines.append("")
    if "curves" in record:
        low, high = EXPECTED
        lines += [
            f"| grows with | sizes | slope over the two largest | within {low:g}-{high:g} |",
            "|---|---|---|---|",
        ]
        for each in record["curves"]["measured"]:
            inside = "yes" if low <= each["slope"] <= high else "no"
            sizes = f"{each['sizes'][0]} … {each['sizes'][-1]}"
            lines.append(f"| {each['what']} | {sizes} | {each['slope']:.2f} | {inside} |")
        lines += ["", "![Cost of rollouts](images/speed_curves.png)", ""]
    return "\n".join([*lines, _conditions(record)])


def _ratios(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    measured = [each for section in record.values() for each in section["measured"]]
    return [each for each in measured if "ratio" in each]


def _ratio_row(each: Mapping[str, Any]) -> str:
    reached = "" if each["least"] is None or each["ratio"] >= each["least"] else ", missed"
    note = f" ({each['note']})" if each["note"] else ""
    return (
        f"| {each['what']} | {each['against']}{note} | {each['ratio']:.3g} | "
        f"{each['low']:.3g}-{each['high']:.3g} | {_limit('≥', each['least'])}{reached} |"
    )


def _limit(sign: str, value: float | None) -> str:
    return "-" if value is None else f"{sign} {value:.2g}"


def _conditions(record: Mapping[str, Any]) -> str:
    """The machines and versions of all sections."""
    machines = [section["environment"] for section in record.values()]
    found = {
        f"{each['processor']}, {each['cores']} cores, Python {each['python']}, "
        f"torch {each['versions']['torch']}"
        for each in machines
    }
    return f"Measured on: {'; '.join(sorted(found))}."


def _draw_ratios(ratios: Iterable[Mapping[str, Any]], path: Path) -> None:
    ratios = list(ratios)[::-1]
    figure, axes = plt.subplots(figsize=(8, 0.5 + 0.3 * len(ratios)), layout="constrained")
    for position, each in enumerate(ratios):
        axes.plot([each["low"], each["high"]], [position] * 2, color="C0", linewidth=3)
        axes.plot(each["ratio"], position, "o", color="C0")
        if each["least"] is not None:
            axes.plot(each["least"], position, "|", color="C3", markersize=12)
    axes.axvline(1.0, color="grey", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yticks(
        range(len(ratios)), [f"{e['what']} / {e['against']}" for e in ratios], fontsize=7
    )
    axes.set_xlabel("times as fast; red: aimed at", fontsize=8)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _draw_curves(curves: Iterable[Mapping[str, Any]], path: Path) -> None:
    curves = list(curves)
    figure, all_axes = plt.subplots(
        1, len(curves), figsize=(3.4 * len(curves), 3), layout="constrained", squeeze=False
    )
    for axes, curve in zip(all_axes[0], curves, strict=True):
        axes.loglog(curve["sizes"], curve["seconds"], "o-")
        axes.set_xlabel(curve["what"])
        axes.set_ylabel("seconds")
        axes.grid(visible=True, alpha=0.3)
    figure.savefig(path, dpi=120)
    plt.close(figure)
