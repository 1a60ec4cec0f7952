"""Draws the graph of the stages for the README: ``python docs/draw_stages.py``.

Plain SVG text. Boxes have a light background, and everything between them is a grey that is visible
on white and on black.
"""

from dataclasses import dataclass
from pathlib import Path

TARGET = Path(__file__).parent / "images" / "stages.svg"
WIDTH, HEIGHT = 1140, 318
COLUMN, BOX_WIDTH, BOX_HEIGHT = 164, 136, 54
LEFT = 78  # centre of the first column
ROWS = {"upper": 96, "lower": 206}
GREY = "#7d8590"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
# Fill and outline; orange and blue are those of the two models in every figure.
STYLES = {
    "data": ("#eef1f4", "#8b98a5"),
    "physical": ("#fbe6d8", "#D55E00"),
    "synthetic": ("#dbebf6", "#0072B2"),
    "result": ("#e3f1ea", "#009E73"),
}


@dataclass(frozen=True)
class Box:
    """A stage, or files: title, outputs and position."""

    title: str
    leaves: str
    column: float
    row: str
    style: str
    optional: bool = False

    @property
    def x(self) -> float:
        """Centre."""
        return LEFT + COLUMN * self.column

    @property
    def y(self) -> float:
        """Centre."""
        return ROWS[self.row]


SIMULATE = Box("simulate", "optional", 0, "upper", "data", optional=True)
RAW = Box("raw files", "netCDF", 0, "lower", "data")
CACHE = Box("cache", "1 file per simulation", 1, "lower", "data")
PHYSICAL = Box("train physical", "parameters ± std", 2, "upper", "physical")
AUGMENT = Box("augment", "1 file per simulation", 3, "upper", "physical")
SYNTHETIC = Box("train synthetic", "synthetic_model.pt", 4, "lower", "synthetic")
EVALUATE = Box("evaluate", "metrics, figures", 5, "lower", "result")
REPORT = Box("report", "report.html", 6, "lower", "result")
BOXES = (SIMULATE, RAW, CACHE, PHYSICAL, AUGMENT, SYNTHETIC, EVALUATE, REPORT)


def draw() -> str:
    """The graph as SVG text."""
    half_width, half_height = BOX_WIDTH / 2, BOX_HEIGHT / 2
    arrows = [
        _arrow(f"M{SIMULATE.x},{SIMULATE.y + half_height} V{RAW.y - half_height}", dashed=True),
        _across(RAW, CACHE),
        # From the cache up to the physical model.
        _arrow(
            f"M{CACHE.x},{CACHE.y - half_height} V{PHYSICAL.y + 12} "
            f"Q{CACHE.x},{PHYSICAL.y} {CACHE.x + 12},{PHYSICAL.y} H{PHYSICAL.x - half_width}"
        ),
        _across(PHYSICAL, AUGMENT),
        _arrow(
            f"M{AUGMENT.x + half_width},{AUGMENT.y} H{SYNTHETIC.x - 12} "
            f"Q{SYNTHETIC.x},{AUGMENT.y} {SYNTHETIC.x},{AUGMENT.y + 12} "
            f"V{SYNTHETIC.y - half_height}"
        ),
        _across(CACHE, SYNTHETIC),
        _across(SYNTHETIC, EVALUATE),
        _across(EVALUATE, REPORT),
        # The calibrated model along the top, the held-out simulations along the bottom.
        _arrow(
            f"M{PHYSICAL.x},{PHYSICAL.y - half_height} V46 Q{PHYSICAL.x},34 {PHYSICAL.x + 12},34 "
            f"H{EVALUATE.x - 12} Q{EVALUATE.x},34 {EVALUATE.x},46 V{EVALUATE.y - half_height}"
        ),
        _arrow(
            f"M{CACHE.x},{CACHE.y + half_height} V270 Q{CACHE.x},282 {CACHE.x + 12},282 "
            f"H{EVALUATE.x - 12} Q{EVALUATE.x},282 {EVALUATE.x},270 V{EVALUATE.y + half_height}"
        ),
    ]
    middle = (CACHE.x + SYNTHETIC.x) / 2
    labels = [
        _label(middle, CACHE.y - 9, "training simulations"),
        _label((PHYSICAL.x + EVALUATE.x) / 2, 25, "calibrated model"),
        _label((CACHE.x + EVALUATE.x) / 2, 302, "held-out simulations"),
    ]
    marker = (
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0,0 L10,5 L0,10 z" fill="{GREY}"/>'
        "</marker></defs>"
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'width="{WIDTH}" height="{HEIGHT}" font-family="{FONT}" role="img" '
            'aria-label="Graph of the stages: raw files, cache, train physical, augment, '
            'train synthetic, evaluate, report">',
            marker,
            *arrows,
            *labels,
            *(_box(box) for box in BOXES),
            "</svg>",
            "",
        ]
    )


def _box(box: Box) -> str:
    fill, outline = STYLES[box.style]
    dashes = ' stroke-dasharray="5 4"' if box.optional else ""
    return (
        f'<rect x="{box.x - BOX_WIDTH / 2}" y="{box.y - BOX_HEIGHT / 2}" width="{BOX_WIDTH}" '
        f'height="{BOX_HEIGHT}" rx="6" fill="{fill}" stroke="{outline}" stroke-width="1.6"'
        f"{dashes}/>"
        f'<text x="{box.x}" y="{box.y - 3}" text-anchor="middle" font-size="15" font-weight="600" '
        f'fill="#1f2429">{box.title}</text>'
        f'<text x="{box.x}" y="{box.y + 15}" text-anchor="middle" font-size="12" '
        f'fill="#4a535c">{box.leaves}</text>'
    )


def _across(start: Box, end: Box) -> str:
    return _arrow(f"M{start.x + BOX_WIDTH / 2},{start.y} H{end.x - BOX_WIDTH / 2}")


def _arrow(path: str, dashed: bool = False) -> str:
    dashes = ' stroke-dasharray="5 4"' if dashed else ""
    return (
        f'<path d="{path}" fill="none" stroke="{GREY}" stroke-width="1.8" '
        f'marker-end="url(#tip)"{dashes}/>'
    )


def _label(x: float, y: float, text: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="middle" font-size="14" fill="{GREY}">{text}</text>'


if __name__ == "__main__":
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(draw(), encoding="utf-8")
