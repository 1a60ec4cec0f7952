"""Figures: data of the lines, images with their colour scales, files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from hybrid_pde.domain.stated_units import StatedUnits
from hybrid_pde.evaluation.figures.all_figures import write_figures
from hybrid_pde.evaluation.figures.animation import write_animation
from hybrid_pde.evaluation.figures.diagnostic_figure import plot_diagnostics
from hybrid_pde.evaluation.figures.error_curves import plot_error_curves
from hybrid_pde.evaluation.figures.field_images import (
    lead_frames,
    plot_prediction,
    simplify_colorbar,
    view,
)
from hybrid_pde.evaluation.figures.style import COLORS, new_figure, settle
from hybrid_pde.evaluation.figures.training_figures import (
    plot_calibration,
    plot_training,
    write_training_figures,
)
from hybrid_pde.evaluation.predictors import State
from hybrid_pde.evaluation.rollout_evaluation import Evaluation, evaluate
from tests.unit.evaluation_cases import waves

PARAMETERS = {
    "viscosity": {"value": 0.01, "std": 0.001, "unit": "length²/time", "determined": True},
    "velocity": {"value": [1.0, 2.0], "std": [0.1, 0.2], "unit": "length/time"},
    "advection": {"value": None, "std": None, "unit": "1", "determined": False},
}
HISTORY = {
    "iteration": [0.0, 1.0, 2.0],
    "loss": [1.0, 0.1, 0.01],
    "viscosity": [0.02, 0.012, 0.01],
    "velocity_x": [0.0, 0.9, 1.0],
    "velocity_y": [0.0, 1.8, 2.0],
    "advection": [1.0, 3.0, 9.0],
}


def _evaluation(
    shape: tuple[int, ...] = (12, 10), lost: int | None = None, frames: int = 5
) -> Evaluation:
    simulations = [waves(shape, frames, phase) for phase in (0.0, 0.5)]

    def drifting(amount: float, lost: int | None = None) -> object:
        def predict(initial: State, steps: int) -> State:
            repeated = initial["velocity"].unsqueeze(1).repeat(1, steps, *[1] * (len(shape) + 1))
            growth = torch.arange(1.0, steps + 1).reshape(1, -1, *[1] * (len(shape) + 1))
            predicted = repeated + amount * growth
            if lost is not None:
                predicted[:, lost:] = torch.nan
            return {"velocity": predicted}

        return predict

    predictors = {"synthetic": drifting(0.01, lost), "physical": drifting(0.001)}
    return evaluate(list(enumerate(simulations)), predictors)


def _lines(figure: Figure, label: str) -> list[np.ndarray]:
    return [
        np.asarray(line.get_ydata(), dtype=float)
        for axes in figure.axes
        for line in axes.get_lines()
        if line.get_label() == label
    ]


def test_error_curves_draw_the_metrics_on_a_logarithmic_axis() -> None:
    found = _evaluation()
    figure = plot_error_curves(found.metrics)
    (axes,) = figure.axes
    assert axes.get_yscale() == "log"
    (drawn,) = _lines(figure, "synthetic model")
    np.testing.assert_allclose(drawn, found.metrics["synthetic"]["by_lead_time"]["vrmse"])
    colors = {line.get_label(): line.get_color() for line in axes.get_lines()}
    assert colors["physical model"] == COLORS["physical"]
    assert "2 test simulations" in axes.get_title(loc="left")


def test_a_diverged_line_ends_with_a_mark() -> None:
    found = _evaluation(lost=2)
    figure = plot_error_curves(found.metrics)
    (drawn,) = _lines(figure, "synthetic model")
    assert np.isfinite(drawn).tolist() == [True, True, False, False]
    (mark,) = _lines(figure, "synthetic model: 2 diverged")
    assert mark == pytest.approx([drawn[1]])


def test_replicates_are_shaded_by_their_standard_deviation() -> None:
    simulations = [waves(phase=phase) for phase in (0.0, 0.5)]

    def drifting(amount: float) -> object:
        def predict(initial: State, steps: int) -> State:
            growth = amount * torch.arange(1.0, steps + 1).reshape(1, -1, 1, 1, 1)
            return {"velocity": initial["velocity"].unsqueeze(1) + growth}

        return predict

    models = {"synthetic": [drifting(0.01), drifting(0.05), drifting(0.3)]}
    metrics = evaluate(enumerate(simulations), models).metrics
    figure = plot_error_curves(metrics)
    (axes,) = figure.axes
    assert "synthetic: ± std of 3 trainings" in axes.get_title(loc="left")
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    found = metrics["synthetic"]
    mean = np.array(found["by_lead_time"]["vrmse"])
    std = np.array(found["replicates"]["by_lead_time"]["vrmse"]["std"])
    assert band.max() == pytest.approx((mean + std).max())
    assert band.min() == pytest.approx(np.maximum(mean - std, mean / 100).min())


def _with_long_rollouts(found: Evaluation) -> dict:
    long = {"finite": False, "lasted": 3, "by_lead_time": {"growth": [1.0, 2.0, 90.0, None]}}
    found.metrics["synthetic"]["long_rollout"] = long
    return found.metrics


def test_diagnostics_have_a_panel_for_each_available_quantity() -> None:
    found = _evaluation()
    figure = plot_diagnostics(found.metrics, found.spectra)
    shown = [axes for axes in figure.axes if axes.get_visible()]
    titles = [axes.get_title(loc="left") for axes in shown]
    assert titles == [
        "correlation with the truth",
        "energy of velocity at the last step",
        "drift of the integral of velocity",
    ]
    curves = [line.get_ydata() for line in shown[0].get_lines()]
    expected = found.metrics["synthetic"]["by_lead_time"]["correlation"]
    np.testing.assert_allclose(curves[0], [1.0, *expected])
    energies = [line.get_ydata() for line in shown[1].get_lines()]
    np.testing.assert_allclose(energies[0], found.spectra["velocity"]["truth"])
    assert shown[1].get_xscale() == "log"
    drift = found.metrics["physical"]["conserved"]["velocity"]["integral"]["by_lead_time"]
    assert any(np.array_equal(line.get_ydata(), drift) for line in shown[2].get_lines())
    figure = plot_diagnostics(_with_long_rollouts(found), found.spectra)
    grown = figure.axes[3]
    assert grown.get_title(loc="left").startswith("largest |u|")
    assert grown.get_yscale() == "log"
    marks = [line for line in grown.get_lines() if line.get_marker() == "X"]
    assert marks[0].get_ydata() == pytest.approx([90.0])


def test_axes_of_curves_have_the_units_of_the_data() -> None:
    found, units = _evaluation(), StatedUnits(length="km", time="s")
    figure = plot_diagnostics(_with_long_rollouts(found), found.spectra, units)
    labels = {axes.get_xlabel() for axes in figure.axes if axes.get_visible()}
    assert labels == {"lead time t [s]", "wavenumber k [1/km]"}
    (curves,) = plot_error_curves(found.metrics, units=units).axes
    assert curves.get_xlabel().startswith("lead time t [s]   (one step = ")
    daily = StatedUnits(length="km", time="s", time_of_files="day", seconds_of_files=86400.0)
    (days,) = plot_error_curves(found.metrics, units=daily).axes
    assert days.get_xlabel().startswith("lead time t [day]   (one step = ")
    assert days.get_xlim()[1] == pytest.approx(curves.get_xlim()[1] / 86400)


def test_a_spectrum_without_small_scales_does_not_set_the_range() -> None:
    """Persistence of a smooth state beside a truth that has become turbulent."""
    found = _evaluation()
    lines = found.spectra["velocity"]
    lines["persistence"] = np.where(np.arange(len(lines["truth"])) > 1, 1e-12, lines["truth"])
    others = [lines[name] for name in lines if name not in ("wavenumber", "persistence")]
    figure = plot_diagnostics(found.metrics, found.spectra)
    low, _ = figure.axes[1].get_ylim()
    assert low >= 0.099 * min(each[each > 0].min() for each in others)


def test_a_diverged_prediction_has_no_spectrum_but_the_others_have() -> None:
    found = _evaluation(lost=2)
    assert set(found.spectra["velocity"]) == {"wavenumber", "truth", "physical", "persistence"}
    figure = plot_diagnostics(found.metrics, found.spectra)
    assert len(figure.axes) == 3


def test_hybrid_cycles_are_separated_and_iterations_continue() -> None:
    history = {key: values + values for key, values in HISTORY.items()}
    history["cycle"] = [1.0] * 3 + [2.0] * 3
    loss = [axes for axes in plot_calibration(history, PARAMETERS).axes if axes.get_visible()][-1]
    np.testing.assert_array_equal(loss.get_lines()[0].get_xdata(), np.arange(6))
    assert loss.get_lines()[1].get_xdata()[0] == 2.5


def test_a_perfect_prediction_can_be_drawn() -> None:
    simulation = waves()
    perfect = {
        "physical": lambda initial, steps: {"velocity": simulation.fields["velocity"][1:][None]}
    }
    figure = plot_error_curves(evaluate([(0, simulation)], perfect).metrics)
    (drawn,) = _lines(figure, "physical model")
    assert np.isnan(drawn).all()


def test_lead_frames_run_from_the_first_prediction_to_the_last() -> None:
    assert lead_frames(31) == [1, 11, 20, 30]
    assert lead_frames(2) == [1]
    assert lead_frames(3) == [1, 2]


def test_views_show_magnitudes_components_and_middle_slices() -> None:
    flat = _evaluation().samples[0]
    shown = view(flat, flat.layouts[0])
    assert shown.label == "|velocity|"
    np.testing.assert_allclose(shown.truth, np.linalg.norm(flat.truth["velocity"], axis=1))
    difference = flat.predictions["physical"]["velocity"] - flat.truth["velocity"]
    np.testing.assert_allclose(shown.errors["physical"], np.linalg.norm(difference, axis=1))
    line = _evaluation((16,)).samples[0]
    shown = view(line, line.layouts[0])
    assert shown.label == "velocity"
    np.testing.assert_array_equal(shown.truth, line.truth["velocity"][:, 0])
    assert shown.norm.vmin == -shown.norm.vmax
    cube = _evaluation((4, 5, 6)).samples[0]
    shown = view(cube, cube.layouts[0])
    assert shown.label == "|velocity|  at z = 2.33"  # the fourth of six cells of width 4/6
    np.testing.assert_allclose(shown.truth, np.linalg.norm(cube.truth["velocity"][..., 3], axis=1))


def test_pictures_share_the_scale_of_truth_and_predictions() -> None:
    sample = _evaluation().samples[0]
    figure = plot_prediction(sample)
    images = [image for axes in figure.axes for image in axes.get_images()]
    assert len(images) == 5 * 4  # truth, and prediction and error of two models
    shown = view(sample, sample.layouts[0])
    frames = lead_frames(5)
    np.testing.assert_allclose(images[3].get_array(), shown.truth[frames[3]].T)
    scales = [(image.norm.vmin, image.norm.vmax) for image in images]
    assert len(set(scales[:8])) == 1
    assert scales[8][1] == pytest.approx(shown.errors["synthetic"][frames].max())
    assert scales[16][1] == pytest.approx(shown.errors["physical"][frames].max())


def test_pictures_in_one_dimension_are_lines_and_space_time_images() -> None:
    sample = _evaluation((16,)).samples[0]
    figure = plot_prediction(sample)
    assert len(_lines(figure, "truth")) == 4
    images = [image for axes in figure.axes for image in axes.get_images()]
    np.testing.assert_allclose(images[0].get_array(), sample.truth["velocity"][:, 0].T)


@pytest.mark.parametrize("shape", [(16,), (12, 10), (4, 5, 6)])
def test_all_figures_are_written(shape: tuple[int, ...], tmp_path: Path) -> None:
    paths = write_figures(tmp_path, _evaluation(shape, lost=1, frames=3))
    assert {path.name for path in tmp_path.iterdir()} == {
        "error_curves.png", "diagnostics.png", "prediction.png", "animation.gif",
    }  # fmt: skip
    with Image.open(paths["animation"]) as animation:
        assert animation.n_frames == 3
        assert animation.info["loop"] == 0
        first = np.asarray(animation.convert("RGB"))
        animation.seek(2)
        last = np.asarray(animation.convert("RGB"))
    assert (first != last).any()
    with Image.open(paths["prediction"]) as picture:
        assert picture.width > 1000


def test_an_animation_is_reduced_until_it_fits(tmp_path: Path) -> None:
    sample = _evaluation(frames=3).samples[0]
    write_animation(tmp_path / "large.gif", sample)
    size = (tmp_path / "large.gif").stat().st_size
    write_animation(tmp_path / "small.gif", sample, max_bytes=size - 1)
    assert (tmp_path / "small.gif").stat().st_size < size


def test_persistence_alone_has_no_animation(tmp_path: Path) -> None:
    found = evaluate([(0, waves())], {})
    assert set(write_figures(tmp_path, found)) == {"error_curves", "diagnostics", "prediction"}
    with pytest.raises(ValueError, match="simulation 0: no prediction"):
        write_animation(tmp_path / "a.gif", found.samples[0])


def test_calibration_shows_each_component_and_the_band() -> None:
    figure = plot_calibration(HISTORY, PARAMETERS)
    panels = [axes for axes in figure.axes if axes.get_visible()]
    titles = {
        axes.get_ylabel().split()[0]: axes.get_title(loc="right") or axes.get_title(loc="left")
        for axes in panels
    }
    assert titles["viscosity"].startswith("0.0100 ± 0.0020")
    assert titles["advection"] == "not determined by the data"
    labels = [axes.get_ylabel() for axes in panels]
    assert labels == [
        "viscosity  [length²/time]", "velocity x  [length/time]", "velocity y  [length/time]",
        "advection", "loss [variance of the data]",
    ]  # fmt: skip
    (band,) = [patch for patch in panels[2].patches if patch.get_height() > 0]
    assert (band.get_y(), band.get_height()) == pytest.approx((1.6, 0.8))


def test_training_shows_loss_and_the_validation_that_was_measured() -> None:
    history = {
        "epoch": [1.0, 2.0, 3.0], "train_loss": [1.0, 0.5, 0.2],
        "val_vrmse": [float("nan"), 0.4, float("nan")],
    }  # fmt: skip
    loss, validation = plot_training(history).axes
    np.testing.assert_array_equal(loss.get_lines()[0].get_ydata(), [1.0, 0.5, 0.2])
    np.testing.assert_array_equal(validation.get_lines()[0].get_xydata(), [[2.0, 0.4]])
    history["val_vrmse"] = [float("nan")] * 3
    assert len(plot_training(history).axes) == 1


def test_training_figures_are_written_for_existing_histories(tmp_path: Path) -> None:
    paths = write_training_figures(
        tmp_path, physical=HISTORY, parameters={"parameters": PARAMETERS}
    )
    assert paths == {"calibration": tmp_path / "calibration.png"}
    assert [path.name for path in tmp_path.iterdir()] == ["calibration.png"]
    assert write_training_figures(tmp_path) == {}


def test_colour_bars_have_minus_signs() -> None:
    figure = new_figure(3.0, 2.0)
    axes = figure.subplots()
    bar = figure.colorbar(axes.imshow([[-5e-9, 0.25]]), ax=axes)
    simplify_colorbar(bar)
    assert bar.formatter(-5e-9) == "−5 × 10⁻⁹"


def test_tick_labels_are_plain_text() -> None:
    figure = new_figure(3, 3)
    logarithmic, linear = figure.subplots(2)
    logarithmic.set_yscale("log")
    logarithmic.plot([0, 1], [1e-3, 1.0])
    linear.plot([0, 1], [-2e-6, 0.0])
    box = settle(figure)
    assert box.width > 2 and box.height > 2
    labels = [[text.get_text() for text in axes.get_yticklabels()] for axes in figure.axes]
    assert "10⁻³" in labels[0] and "−2" in labels[1]
    assert linear.yaxis.get_offset_text().get_text() == "× 10⁻⁶"
    assert not any("$" in label for label in (*labels[0], *labels[1]))
