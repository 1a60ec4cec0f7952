"""Observation plan: visible frames, regions and random points, missing values, noise."""

from typing import Any

import numpy as np
import pytest
import torch

from hybrid_pde.config.schema import ObservationParams
from hybrid_pde.data.observations.observation_plan import ObservationPlan, plan_observations
from hybrid_pde.data.observations.observed_simulation import observation_masks
from hybrid_pde.domain.grid import PERIODIC, FieldLayout, Grid, axis_points
from hybrid_pde.errors import ConfigError

# cells along x at 0.05, 0.15, …, 0.95; nodes along y at -1, -0.75, …, 1
GRID = Grid(
    ("x", "y"), (10, 9), (0.0, -1.0), (1.0, 1.0), ((PERIODIC, PERIODIC), (0.0, 0.0)), (False, True)
)  # fmt: skip
LAYOUTS = [FieldLayout("velocity", ("x", "y")), FieldLayout("density")]
TIMES = [2.0 + 0.1 * frame for frame in range(21)]


def plan(simulation: int = 0, seed: int = 5, known: bool = True, **section: Any) -> ObservationPlan:
    return plan_observations(
        ObservationParams(**section), GRID, TIMES, LAYOUTS, simulation, seed, known
    )


def seen(observed: ObservationPlan, name: str = "density") -> torch.Tensor:
    """Mask of the observed values, ``[T, C, *space]``."""
    channels = next(layout.channels for layout in LAYOUTS if layout.name == name)
    return observed.visible_points().unsqueeze(1).expand(-1, channels, -1, -1)


def times_seen(observed: ObservationPlan) -> tuple[float, ...]:
    return tuple(observed.times[frame] for frame in sorted(observed.visible))


def test_without_settings_everything_is_seen() -> None:
    everything = plan()
    assert bool(seen(everything).all())
    assert everything.visible_points().shape == (21, 10, 9)
    assert everything.visible_points().dtype == torch.bool
    assert times_seen(everything) == tuple(TIMES[1:])
    assert times_seen(plan(known=False)) == tuple(TIMES)


def test_only_the_stated_times_and_a_known_start_are_observed() -> None:
    some = plan(
        times=[4.0, 2.30005, 2.7]
    )  # the second time is off by less than a thousandth of a step
    assert times_seen(some) == pytest.approx((2.3, 2.7, 4.0))
    frames = seen(some)
    assert [int(n) for n in frames.flatten(1).all(1).nonzero()] == [0, 3, 7, 20]
    assert not bool(frames[[1, 2, 4, 19]].any())


def test_every_nth_frame_counts_from_the_first() -> None:
    assert times_seen(plan(every=6)) == pytest.approx((2.6, 3.2, 3.8))
    assert times_seen(plan(every=6, known=False)) == pytest.approx((2.0, 2.6, 3.2, 3.8))
    assert times_seen(plan(every=3, times=[2.3, 2.4, 2.6])) == pytest.approx((2.3, 2.6))


def test_an_unknown_start_is_observed_according_to_the_plan() -> None:
    part = plan(known=False, every=2, region={"x": (0.5, None)})
    frames = part.visible_points()
    assert torch.equal(frames[0], frames[2])
    assert not bool(frames[0].all())
    hidden = plan(known=False, times=[2.5])
    assert not bool(hidden.visible_points()[0].any())


def test_a_region_has_the_points_between_its_ends() -> None:
    part = plan(region={"x": (0.0, 0.5), "y": (-0.25, None)})
    x, y = (torch.from_numpy(along) for along in axis_points(GRID).values())
    expected = (x <= 0.5)[:, None] & (y >= -0.25)[None]
    assert int(expected.sum()) == 5 * 6
    assert torch.equal(part.visible_points()[4], expected)
    assert bool(part.visible_points()[0].all())
    # a point on the edge is included, however the edge is rounded
    assert int(plan(region={"x": (0.15000001, 0.349999)}).visible_points()[1].sum()) == 3 * 9


def test_points_are_drawn_from_all_visible_ones_without_repetition() -> None:
    drawn = plan(points=200)
    frames = seen(drawn)
    assert bool(frames[0].all())
    assert int(frames[1:].sum()) == 200
    # all channels of all fields are observed at the same points
    values = {each.name: torch.zeros(21, each.channels, 10, 9) for each in LAYOUTS}
    masks = observation_masks(ObservationParams(points=200), drawn, values)
    assert {name: mask.shape[1] for name, mask in masks.items()} == {"velocity": 2, "density": 1}
    assert all(torch.equal(mask, frames.expand(mask.shape)) for mask in masks.values())
    per_frame = frames[1:].flatten(1).sum(1)
    # 20 frames of 90 points: 10 each on average, with a standard deviation of 2.9
    assert int(per_frame.min()) < 8 and 12 < int(per_frame.max()) < 25


def test_points_come_from_the_frames_and_the_region_that_are_visible() -> None:
    allowed = seen(plan(every=4, region={"x": (0.5, None)}))
    every_one = plan(every=4, region={"x": (0.5, None)}, points=5 * 45)
    assert torch.equal(seen(every_one), allowed)
    some = plan(every=4, region={"x": (0.5, None)}, points=3)
    assert not bool((seen(some) & ~allowed).any())
    assert 1 <= len(times_seen(some)) <= 3


def test_all_points_are_equally_likely() -> None:
    count = torch.zeros(21, 10, 9)
    for simulation in range(300):
        count += seen(plan(simulation, points=180))[:, 0]
    share = count[1:] / 300
    # a tenth is drawn; the standard deviation is 0.017 for a pair, 0.0018 for a frame's mean
    assert float((share.mean((1, 2)) - 0.1).abs().max()) < 0.01
    assert float((share.mean(0) - 0.1).abs().max()) < 0.02
    assert float((share - 0.1).abs().max()) < 0.09


def test_points_depend_only_on_seed_and_simulation() -> None:
    first = seen(plan(2, seed=5, points=100))
    assert torch.equal(seen(plan(2, seed=5, points=100, noise=0.1)), first)
    assert not torch.equal(seen(plan(3, seed=5, points=100)), first)
    assert not torch.equal(seen(plan(2, seed=6, points=100)), first)
    section = ObservationParams(
        points=100, seed=5
    )  # its seed takes precedence over that of the run
    assert torch.equal(seen(plan_observations(section, GRID, TIMES, LAYOUTS, 2, 6)), first)


def test_missing_values_are_not_seen() -> None:
    values = torch.zeros(21, 2, 10, 9)
    values[[0, 5], 1, 3, 4] = torch.nan
    values[6, 1, 3, 4] = torch.inf  # an error in the data, not a missing value

    def mask(**settings: Any) -> torch.Tensor:
        section = ObservationParams(missing="mask", **settings)
        return observation_masks(section, plan(**settings), {"velocity": values})["velocity"]

    assert torch.equal(~mask(), torch.isnan(values)), "also in the known initial state"
    assert not bool(mask(times=[2.1])[5].any())
    assert mask(times=[2.1])[1].all()


def test_noise_is_the_stated_fraction_of_the_scale() -> None:
    noisy = plan(noise=0.02)
    clean = torch.full((2, 10, 9), 3.0, dtype=torch.float64)
    added = torch.stack([noisy.noise("velocity", k, clean, 5.0) - 3 for k in range(21)])
    # 3780 values determine the standard deviation to 1.2 %, the mean to 0.0016
    assert float(added.std()) == pytest.approx(0.1, rel=0.05)
    assert abs(float(added.mean())) < 0.007
    correlation = np.corrcoef(added.reshape(42, -1).numpy()) - np.eye(42)
    assert (
        abs(correlation).max() < 0.5
    )  # channels and frames are independent: 90 values, standard error 0.11
    assert torch.equal(plan(noise=0.0).noise("velocity", 1, clean, 5.0), clean)
    assert noisy.noise("density", 1, clean[:1].float(), 5.0).dtype == torch.float32


def test_noise_does_not_depend_on_other_random_draws() -> None:
    clean = torch.zeros(1, 10, 9, dtype=torch.float64)
    expected = plan(1, noise=0.1).noise("density", 7, clean, 1.0)
    other = plan(1, noise=0.1, points=50, every=2)
    other.noise("velocity", 7, torch.zeros(2, 10, 9), 1.0)
    assert torch.equal(other.noise("density", 7, clean, 1.0), expected)
    for changed in (
        plan(2, noise=0.1).noise("density", 7, clean, 1.0),
        plan(1, seed=6, noise=0.1).noise("density", 7, clean, 1.0),
        plan(1, noise=0.1).noise("density", 8, clean, 1.0),
        plan(1, noise=0.1).noise("velocity", 7, clean, 1.0),
    ):
        assert not torch.allclose(changed, expected)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"times": [2.35]}, r"times: 2.35: simulation 7 has no frame .* nearest is at 2.[34]"),
        ({"times": [2.1002]}, r"times: 2.1002: .* nearest is at 2.1, and they are 0.1 apart"),
        ({"times": [9.0]}, r"times: 9: .* nearest is at 4,"),
        ({"times": [2.0]}, r"times: \[2.0\]: hides everything; name times after the initial"),
        ({"times": []}, r"times: \[\]: hides everything"),
        ({"every": 21}, r"every: 21: hides everything; simulation 7 has 20 frames"),
        ({"every": 2, "times": [2.1]}, r"times: \[2.1\]: together with .*every: 2 it hides"),
        ({"region": {"x": (0.11, 0.14)}}, r"region.x: \[0.11, 0.14\]: hides everything.*0.05 … 0"),
        ({"region": {"y": (0.5, -0.5)}}, r"region.y: \[0.5, -0.5\]: hides everything"),
        ({"region": {"z": (0.0, 1.0)}}, r"region: 'z' is unknown.* Allowed: x, y"),
        (
            {"points": 181, "times": [2.1, 2.2]},
            r"points: 181: simulation 7 has 180 pairs .*\(2 frames of 90 points\)",
        ),
    ],
)
def test_an_impossible_or_empty_plan_is_rejected(section: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=r"^data\.observations\.") as raised:
        plan(7, **section)
    assert raised.match(message)
