"""Reference solvers of the benchmark, against closed forms."""

from math import log2, pi

import h5py
import numpy as np
import pytest
import torch
import xarray as xr
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from benchmarks.calibration import cases, heat
from benchmarks.calibration.peers import (
    burgers_rate,
    compiled_step,
    plain_torch_burgers_iteration,
    runge_kutta_step,
    unjitted_phiflow_lbfgs,
)
from benchmarks.calibration.reference import (
    GrayScott,
    burgers_reference,
    gray_scott_reference,
    gray_scott_start,
)

LENGTH, VISCOSITY = 0.7, 0.02


def cole_hopf(points: int, time: float) -> np.ndarray:
    """U = −2ν φ'/φ along (1, 1), φ = 1.5 + exp(−2νk²t) cos k(x + y): ``[2, X, Y]``."""
    k = 2 * pi / LENGTH
    x = LENGTH / points * np.arange(points)
    phase = k * (x[:, None] + x[None, :])
    decay = np.exp(-2 * VISCOSITY * k**2 * time)
    u = 2 * VISCOSITY * k * decay * np.sin(phase) / (1.5 + decay * np.cos(phase))
    return np.stack([u, u])


def test_burgers_reference_against_cole_hopf():
    last = burgers_reference(cole_hopf(64, 0.0), VISCOSITY, LENGTH, 0.05, (4, 20))[-1]
    exact = cole_hopf(64, 0.15)
    assert np.abs(exact - cole_hopf(64, 0.0)).max() > 0.3 * np.abs(exact).max()
    assert np.abs(last - exact).max() < 1e-7 * np.abs(exact).max()


def test_gray_scott_diffusion_and_feed_are_exact():
    # Without b the equation for a is linear: every mode of a − 1 decays independently.
    equation = GrayScott(diffusivity_a=0.3, feed=0.02, length=7.0)
    x = 7.0 / 16 * np.arange(16)
    wave = np.cos(2 * pi * (2 * x[:, None] + x[None, :]) / 7.0)
    start = np.stack([0.6 + 0.1 * wave, 0 * wave])
    last = gray_scott_reference(start, 0.5, 3, 2, equation)[-1]
    rate = 0.3 * 5 * (2 * pi / 7.0) ** 2 + 0.02
    exact = 1 - 0.4 * np.exp(-0.02) + 0.1 * np.exp(-rate) * wave
    assert np.abs(last[0] - exact).max() < 1e-14
    assert np.abs(last[1]).max() == 0.0


def test_gray_scott_reaction_is_of_fourth_order_in_time():
    equation = GrayScott()

    def rate(_, state):
        a, b = state
        used, feed, kill = a * b * b, equation.feed, equation.kill
        return [-used + feed * (1 - a), used - (feed + kill) * b]

    exact = solve_ivp(rate, (0, 40), (0.5, 0.5), method="DOP853", rtol=1e-13, atol=1e-15).y[:, -1]
    start = np.broadcast_to(np.reshape((0.5, 0.5), (2, 1, 1)), (2, 8, 8))
    errors = []
    for steps in (20, 40, 80):
        last = gray_scott_reference(start, 40.0, 2, steps)[-1]
        assert np.ptp(last, axis=(1, 2)).max() < 1e-13
        errors.append(np.abs(last[:, 0, 0] - exact).max())
    assert log2(errors[1] / errors[2]) == pytest.approx(4, abs=0.2)


def test_gray_scott_start_has_a_square_of_side_10_and_noise_of_1_percent():
    a, b = gray_scott_start(128, 100.0, seed=3)
    quiet = gray_scott_start(128, 100.0, seed=3, noise=0.0)
    assert (quiet[0] == 0.5).sum() == (quiet[1] == 0.25).sum() == 13**2
    # The standard deviation of 16 384 numbers has an error of 0.6 %.
    assert np.std(a - quiet[0]) == pytest.approx(0.005, rel=0.03)
    assert np.std(b - quiet[1]) == pytest.approx(0.0025, rel=0.03)


def test_chebyshev_exponential_is_that_of_the_matrix():
    count, dx = 9, 0.3
    generator = np.random.default_rng(0)
    kappa = generator.uniform(0.0, 2.5, (count, count))
    start = np.pad(generator.standard_normal((count - 2, count - 2)), 1)
    unit = np.eye(count**2).reshape(-1, count, count)
    matrix = np.zeros((count, count, count**2))
    laplacian = sum(np.roll(unit, s, axis) for s in (1, -1) for axis in (1, 2)) - 4 * unit
    matrix[1:-1, 1:-1] = np.moveaxis(kappa * laplacian / dx**2, 0, -1)[1:-1, 1:-1]
    frames = heat.diffuse(start, kappa, dx, [0.0, 0.01, 0.4])
    for frame, time in zip(frames, (0.0, 0.01, 0.4), strict=True):
        exact = expm(time * matrix.reshape(count**2, count**2)) @ start.ravel()
        assert np.abs(frame.ravel() - exact).max() < 1e-13


def test_heat_is_of_second_order_in_space():
    errors = []
    for count in (13, 25):
        x, y = heat.mesh(count)
        wave = np.sin(pi * (x + 3) / 6) * np.sin(pi * (y + 3) / 3)
        last = heat.diffuse(wave, np.full_like(x, 0.7), 6 / (count - 1), [0.5])[-1]
        decay = np.exp(-0.7 * 0.5 * 5 * (pi / 6) ** 2)
        errors.append(np.abs(last - decay * wave).max())
    assert log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.2)


def test_heat_starts_from_zero_at_the_edge_within_the_clip():
    x, y = heat.mesh(31)
    u, kappa = heat.initial_temperature(x, y), heat.conductivity(x, y)
    assert not u[[0, -1]].any() and not u[:, [0, -1]].any()
    assert u[20, 20] == pytest.approx(1 - np.exp(-8))  # at (1, 1)
    assert kappa[20, 20] == kappa[5, 5] == 2.5  # at (1, 1) and (-2, -2)
    assert kappa[30, 0] == pytest.approx(0.1, abs=1e-5)


def test_sensors_move_by_their_equation():
    times, h = np.array([0.0, 0.4, 1.0]), 1e-5
    paths = heat.sensor_paths(times)
    assert paths[0, 0].tolist() == [0.0, 0.0] and paths[0, 12] == pytest.approx([1 / 3, 2 / 3])
    velocity = (heat.sensor_paths(times + h) - heat.sensor_paths(times - h)) / (2 * h)
    expected = (paths - 1.5) @ np.array([[-0.1, -1.0], [1.0, -0.1]]).T
    assert np.abs(velocity - expected).max() < 1e-9


def test_readings_are_exact_for_polynomials_and_missing_outside():
    x, y = heat.mesh(20)
    paths = np.array([[[0.31, -1.2], [2.9, 2.95], [3.01, 0.0]]])
    readings = heat.read_sensors((x**3 * y - y**2)[None], paths)[0]
    expected = paths[0, :, 0] ** 3 * paths[0, :, 1] - paths[0, :, 1] ** 2
    assert readings[:2] == pytest.approx(expected[:2], abs=1e-10)
    assert np.isnan(readings[2])


def test_raw_files_have_the_layout_of_the_reader(tmp_path):
    velocity = cases.burgers_set(num=2, frames=2, n=16)
    assert (velocity[0] == cases.burgers_set(num=1, frames=2, n=16)[0]).all()
    cases.write_burgers(tmp_path / "burgers.nc", velocity)
    cases.write_gray_scott(tmp_path / "gray_scott.nc", points=16, frames=2)
    with xr.open_dataset(tmp_path / "burgers.nc") as file:
        assert dict(file.sizes) == {"sample": 2, "time": 2, "vector": 2, "x": 16, "y": 16}
        assert (file["velocity"].values == velocity).all()
        assert file.attrs["boundary"] == "periodic"
    with xr.open_dataset(tmp_path / "gray_scott.nc") as file:
        assert file["x"].values[1] == 100 / 16
        start = file["b"].values[0]
        fine = gray_scott_start(32, 100.0, seed=0)[1]
        # 16 points resolve the same modes, hence give the same mean.
        assert start.mean() == pytest.approx(fine.mean(), rel=1e-12)
        few, many = np.fft.fft2(start) / start.size, np.fft.fft2(fine) / fine.size
        np.testing.assert_allclose(few[:8, :8], many[:8, :8], atol=1e-12)


@pytest.mark.parametrize("closed", [False, True])
def test_only_a_repeated_last_point_is_dropped(tmp_path, closed):
    x = np.linspace(-1, 1, 33) if closed else np.linspace(-1, 1, 33)[:-1]
    u = np.stack([np.cos(pi * x), 0.9 * np.cos(pi * x)])
    with h5py.File(tmp_path / "ac.h5", "w") as file:
        file.update({"t": np.array([0.0, 0.1]), "x": x, "u": u})
    cases.write_allen_cahn(tmp_path / "ac.h5", tmp_path / "ac.nc")
    with xr.open_dataset(tmp_path / "ac.nc") as written:
        assert written["u"].shape == (2, 32) and written["x"].values[-1] < 0.97


def test_noise_is_a_share_of_the_deviation_and_drawn_from_the_seed(tmp_path):
    source, target = tmp_path / "clean.nc", tmp_path / "noisy.nc"
    u = np.sin(np.linspace(0, 6, 64))[None] * np.linspace(1, 2, 50)[:, None]
    coordinates = {"time": np.arange(50.0), "x": np.arange(64.0)}
    xr.Dataset({"u": (("time", "x"), u)}, coords=coordinates).to_netcdf(source)
    drawn = []
    for seed in (1, 1, 2):
        cases.write_pdefind(source, target, noise=0.1, seed=seed)
        with xr.open_dataset(target) as file:
            drawn.append(file["u"].values - u)
    assert (drawn[0] == drawn[1]).all() and (drawn[0] != drawn[2]).all()
    # The standard deviation of 3 200 numbers has an error of 1.3 %.
    assert drawn[0].std() == pytest.approx(0.1 * u.std(), rel=0.06)


def test_plain_torch_step_is_of_fourth_order():
    errors = []
    nu = torch.tensor(VISCOSITY, dtype=torch.float64)
    for points, steps in ((64, 32), (128, 128)):  # dt ~ dx²: its error is negligible
        u = torch.from_numpy(cole_hopf(points, 0.0))[None]
        for _ in range(steps):
            u = runge_kutta_step(u, nu, 0.02 / steps, LENGTH / points)
        errors.append(float((u[0] - torch.from_numpy(cole_hopf(points, 0.02))).abs().max()))
    assert log2(errors[0] / errors[1]) == pytest.approx(4, abs=0.2)
    assert burgers_rate(torch.ones(1, 2, 8, 8), nu, 0.1).abs().max() < 1e-6


@pytest.mark.parametrize("compiled", [False, True])
def test_gauss_newton_terms_against_central_differences(compiled):
    frames = torch.from_numpy(np.stack([cole_hopf(24, t) for t in (0.0, 0.01, 0.02)]))[None]
    step = compiled_step(frames[:, 0], 0.005, LENGTH / 24) if compiled else None

    def terms(nu):
        return plain_torch_burgers_iteration(frames, 0.01, LENGTH, nu, 2, step)

    nu, h = 0.03, 1e-5
    slope = (terms(nu + h).cost - terms(nu - h).cost) / (2 * h)
    assert terms(nu).gradient == pytest.approx(slope, rel=1e-6)
    for _ in range(4):
        nu += terms(nu).step
    assert terms(nu).curvature > 0 and nu == pytest.approx(VISCOSITY, rel=0.02)


def test_phiflow_as_its_examples_use_it_recovers_its_own_viscosity():
    # The frames come from PhiFlow's own scheme: without advection, Euler steps of diffusion.
    x = torch.arange(12) * (2 * pi / 12)
    u = 1e-3 * torch.sin(x)[:, None].expand(12, 12)
    dx = LENGTH / 12
    factor = (1 - 0.05 * 0.02 / 5 * (2 - 2 * np.cos(2 * pi / 12)) / dx**2) ** 5
    frames = torch.stack([torch.stack([0 * u, u * factor**k]) for k in range(4)])
    found = unjitted_phiflow_lbfgs(1e3 * frames, 0.02, LENGTH, guess=0.03, max_iterations=15)
    assert found.evaluations > 1 and found.seconds > 0
    assert found.viscosity == pytest.approx(0.05, rel=0.01)
