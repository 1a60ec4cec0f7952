"""Write the raw data of config/pumping_test.yaml: the readings of a real pumping test.

The test was made at Sioux Flats, South Dakota: a well drew 2.7 ft³/s for 2 045 minutes, and the
drawdown was measured in three piezometers 100, 200 and 400 ft away. The readings are among the
documentation of the package timflow 0.5.0 (MIT licence), after AQTESOLV's manual (Duffield, 2007).

    pip download --no-deps --no-binary :all: timflow==0.5.0
    python examples/pumping_test/make_data.py timflow-0.5.0.tar.gz
"""

import sys
import tarfile
from pathlib import Path

import numpy as np
import xarray as xr

HERE = Path(__file__).parent
PIEZOMETERS = {"sioux100": 30.48, "sioux200": 60.96, "sioux400": 121.92}  # distance [m]
CELLS, SPACING = 400, 5.0  # m
DT, FRAMES = 300.0, 410  # a frame every five minutes, as the first readings


def main(archive: Path) -> None:
    """Write ``readings.nc`` and ``raw/pumping_test/aquifer.nc`` beside this file."""
    series = {}
    with tarfile.open(archive) as source:
        for name, radius in PIEZOMETERS.items():
            member = source.extractfile(
                f"timflow-0.5.0/docs/transient/04pumpingtests/data/{name}.txt"
            )
            days, head = np.loadtxt(member, unpack=True)
            series[radius] = np.round(days * 86400), -head
    times = np.unique(np.concatenate([seconds for seconds, _ in series.values()]))
    readings = np.full((len(times), len(series)), np.nan)
    for column, (seconds, drawdown) in enumerate(series.values()):
        readings[np.searchsorted(times, seconds), column] = drawdown
    xr.Dataset(
        {"drawdown": (("time", "sensor"), readings, {"units": "m"})},
        {"time": ("time", times, {"units": "s"}), "x": ("sensor", [*series], {"units": "m"})},
    ).to_netcdf(HERE / "readings.nc")

    drawdown = np.full((FRAMES, CELLS), np.nan, dtype=np.float32)
    drawdown[0] = 0.0  # before pumping
    raw = HERE / "raw" / "pumping_test" / "aquifer.nc"
    raw.parent.mkdir(parents=True, exist_ok=True)
    xr.Dataset(
        {"drawdown": (("time", "x"), drawdown, {"units": "m"})},
        {
            "time": ("time", DT * np.arange(FRAMES), {"units": "s"}),
            "x": (
                "x",
                SPACING * (np.arange(CELLS) + 0.5),
                {"units": "m", "long_name": "distance from the well"},
            ),
        },
        {"title": "grid of the drawdown around a pumped well; only its start is known"},
    ).to_netcdf(raw, encoding={"drawdown": {"zlib": True}})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
