from __future__ import annotations

import math
import time
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from genlab.densities import Bernoulli, GaussianObservation, StandardNormal
from genlab.errors import UserError
from genlab.evaluation.figures import density_panel, draw, draws, gallery, save_figures
from genlab.evaluation.figures.pixels import encode_png, figure_to_image
from genlab.evaluation.figures.plane import (
    density_figure,
    model_density,
    sample_density,
    target_density,
)
from genlab.evaluation.figures.style import Window, add_colourbar, panels, window_of
from genlab.models import VAE
from genlab.targets import Target

MEAN, SCALE = [1.5, -2.0], [0.5, 0.3]


def titles(figure):
    return [axis.get_title() for axis in figure.axes if axis.get_title()]


@pytest.mark.parametrize("dpi", [40, 150])
def test_a_file_has_the_pixels_that_matplotlib_saves(dpi, tmp_path, monkeypatch):
    monkeypatch.setattr(gallery, "DPI", dpi)

    def drawn():
        figure, (left, right) = panels(1, 2, side=2.0)
        add_colourbar(left.imshow(np.arange(12.0).reshape(3, 4)), left)
        right.scatter([0, 1], [1, 20_000])
        right.set_title("both")
        return figure

    save_figures({"ours": drawn()}, tmp_path)
    drawn().savefig(tmp_path / "theirs.png", dpi=dpi)
    with Image.open(tmp_path / "ours.png") as ours, Image.open(tmp_path / "theirs.png") as theirs:
        assert np.array_equal(np.asarray(ours), np.asarray(theirs.convert("RGB")))
        assert ours.info["dpi"] == pytest.approx((dpi, dpi), rel=1e-3)


def test_packed_pixels_are_the_same():
    pixels = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    with Image.open(BytesIO(encode_png(pixels))) as image:
        assert np.array_equal(np.asarray(image), pixels)


def is_drawn(figure):
    image = figure_to_image(figure)
    width, height = figure.canvas.get_width_height()
    assert image.shape == (height, width, 3)
    assert image.dtype == np.uint8
    assert image.std() > 5
    return True


@pytest.fixture
def plane(affine_flow, gaussian_target):
    """A flow and a target off the centre of the plane."""
    return affine_flow(MEAN, SCALE), gaussian_target(MEAN, SCALE)


def test_the_plane_has_four_figures(plane, generator, global_state):
    flow, target = plane
    flow.train()
    samples = target.sample(500, generator=generator)
    figures = draw(flow, target=target, samples=samples, generator=generator)
    assert list(figures) == ["density", "samples", "latent", "deformation"]
    assert titles(figures["density"]) == [
        "True density",
        "Model density",
        "Model \N{MINUS SIGN} true",
    ]
    assert titles(figures["samples"]) == ["True samples", "Model samples", "True over model"]
    assert titles(figures["latent"]) == ["Data x", "Data in the latent, z = f(x)", "Base"]
    assert titles(figures["deformation"]) == ["Latent z", "after 1 of 2 layers", "Data x"]
    assert all(is_drawn(figure) for figure in figures.values())
    assert flow.training


def test_the_largest_density_is_where_it_belongs(plane, generator):
    flow, target = plane
    figure = draw(flow, target=target, samples=target.sample(500), generator=generator)["density"]
    for axis in figure.axes[:2]:
        (image,) = axis.get_images()
        values = image.get_array()
        assert image.origin == "lower"
        left, right, bottom, top = image.get_extent()
        assert (left, right, bottom, top) == (-4, 4, -4, 4)
        row, column = np.unravel_index(values.argmax(), values.shape)
        x = left + (column + 0.5) * (right - left) / values.shape[1]
        y = bottom + (row + 0.5) * (top - bottom) / values.shape[0]
        assert (x, y) == pytest.approx(MEAN, abs=0.03)
        assert values.max() == pytest.approx(1 / (2 * math.pi * 0.15), rel=0.01)
        assert values.sum() * (8 / len(values)) ** 2 == pytest.approx(1.0, abs=1e-3)


def test_densities_share_their_colours_and_the_difference_is_centred(
    affine_flow, gaussian_target, generator
):
    target, flow = gaussian_target(MEAN, SCALE), affine_flow([0.0, 0.0], [0.1, 0.1])
    figure = draw(flow, target=target, samples=target.sample(500), generator=generator)["density"]
    truth, model, difference = (axis.get_images()[0] for axis in figure.axes[:3])
    peak = truth.get_array().max()
    assert truth.get_clim() == model.get_clim() == (0.0, pytest.approx(peak))
    assert model.get_array().max() > peak
    np.testing.assert_allclose(difference.get_array(), model.get_array() - truth.get_array())
    low, high = difference.get_clim()
    assert -low == high == pytest.approx(peak)
    assert (model.colorbar.extend, difference.colorbar.extend) == ("max", "max")


def test_a_good_model_has_a_pale_difference_and_no_value_beyond_the_colours(plane, generator):
    flow, target = plane
    figure = draw(flow, target=target, samples=target.sample(500), generator=generator)["density"]
    truth, model, difference = (axis.get_images()[0] for axis in figure.axes[:3])
    assert difference.get_clim()[1] == pytest.approx(0.1 * truth.get_array().max())
    assert (model.colorbar.extend, difference.colorbar.extend) == ("neither", "neither")


def test_grid_densities_agree_on_every_route(plane):
    flow, target = plane
    window = Window(0.0, 3.0, -4.0, 0.0)
    exact, _ = target_density(target, window, 30)
    np.testing.assert_allclose(model_density(flow, window, 30), exact, rtol=1e-4, atol=1e-6)
    counted = sample_density(target.sample(200_000), window, 30)
    assert counted.sum() * window.area / 900 == pytest.approx(1.0, abs=0.01)
    assert np.abs(counted - exact).mean() < 0.02


def test_a_target_known_by_samples_shows_their_histogram(affine_flow, sample_target, generator):
    target = sample_target(MEAN, SCALE)
    samples = target.sample(20_000, generator=generator)
    figures = draw(affine_flow(MEAN, SCALE), target=target, samples=samples, generator=generator)
    assert titles(figures["density"]) == ["True samples", "Model density"]
    values = figures["density"].axes[0].get_images()[0].get_array()
    assert values.max() == pytest.approx(1 / (2 * math.pi * 0.15), rel=0.2)
    row, column = np.unravel_index(values.argmax(), values.shape)
    assert row < len(values) / 2
    assert column > len(values) / 2


def test_without_a_target_the_window_follows_the_samples(affine_flow, generator):
    flow = affine_flow([100.0, 5000.0], [1.0, 50.0])
    samples = flow.sample(2000, generator=generator)
    figures = draw(flow, target=None, samples=samples, generator=generator)
    left, right, bottom, top = figures["density"].axes[0].get_images()[0].get_extent()
    assert 95 < left < 98 < 102 < right < 105
    assert 4750 < bottom < 4900 < 5100 < top < 5250
    assert all(is_drawn(figure) for figure in figures.values())


def test_a_density_that_is_no_flow_has_no_latent(gaussian_target, generator):
    target = gaussian_target([0.0, 0.0], [1.0, 1.0])
    figures = draw(
        StandardNormal((2,)), target=target, samples=target.sample(500), generator=generator
    )
    assert list(figures) == ["density", "samples"]


@pytest.mark.parametrize(("dims", "shown"), [(1, 1), (3, 3), (8, 5)])
def test_other_dimensions_have_corner_plots(affine_flow, generator, dims, shown):
    flow = affine_flow([float(k) for k in range(dims)], [0.5] * dims)
    samples = flow.sample(500, generator=generator)
    names = [f"column {k}" for k in range(dims)]
    figures = draw(flow, target=None, samples=samples, generator=generator, names=names)
    assert list(figures) == ["samples", "latent"]
    for figure in figures.values():
        assert len(figure.axes) == shown**2
        assert is_drawn(figure)
    bottom = figures["samples"].axes[-shown:]
    assert [axis.get_xlabel() for axis in bottom] == names[:shown]
    for k, axis in enumerate(bottom):
        low, high = axis.get_xlim()
        assert low < k < high


def test_a_corner_plot_has_the_first_cloud_below_and_the_second_above(affine_flow, generator):
    flow = affine_flow([10.0, 20.0, 30.0], [1.0, 1.0, 1.0])
    samples = torch.tensor([1.0, 2.0, 3.0]).repeat(50, 1) + 0.1 * torch.randn(50, 3)
    figure = draw(flow, target=None, samples=samples, generator=generator)["samples"]
    for index, axis in enumerate(figure.axes):
        row, column = divmod(index, 3)
        if row != column:
            centre = axis.collections[0].get_offsets().mean(0)
            scale = 1 if row > column else 10
            np.testing.assert_allclose(centre, [(column + 1) * scale, (row + 1) * scale], atol=1)


def test_a_conditional_model_is_shown_by_its_samples(affine_flow, generator):
    flow = affine_flow([0.0, 0.0], [0.1, 0.1], labels=2)
    labels = torch.randint(2, (300,))
    samples = torch.eye(2)[labels] + 0.1 * torch.randn(300, 2)
    figures = draw(flow, target=None, samples=samples, generator=generator, context=labels)
    assert list(figures) == ["samples", "calibration", "latent"]
    assert all(is_drawn(figure) for figure in figures.values())


def test_images_that_nothing_carries_to_have_samples_only(generator):
    model = StandardNormal((1, 4, 4))
    samples = torch.randn(10, 1, 4, 4)
    assert list(draw(model, target=None, samples=samples, generator=generator)) == ["samples"]


def autoencoder(event_shape, latent_dim, **options):
    observation = GaussianObservation(event_shape, scale="network", min_scale=0.1)
    if len(event_shape) == 3:
        observation = Bernoulli()
    return VAE(
        event_shape,
        latent_dim=latent_dim,
        observation=observation,
        network="auto",
        hidden=[8],
        activation="tanh",
        covariance="full",
        importance_samples=4,
        **options,
    )


AUTOENCODER = ["latent", "reconstruction", "traversal", "latent_kl"]


@pytest.mark.parametrize("latent_dim", [1, 5])
def test_an_autoencoder_of_the_plane(gaussian_target, generator, latent_dim):
    model, target = autoencoder((2,), latent_dim), gaussian_target(MEAN, SCALE)
    samples = target.sample(300, generator=generator)
    figures = draw(model, target=target, samples=samples, generator=generator)
    assert list(figures) == ["density", "samples", *AUTOENCODER]
    assert all(is_drawn(figure) for figure in figures.values())
    assert titles(figures["density"])[1] == "Model density, a lower bound"
    assert len(figures["traversal"].axes) == min(latent_dim, 3)
    data, mean, _ = figures["reconstruction"].axes
    assert data.get_title() == "Data x"
    with torch.no_grad():
        expected = model.decode(model.codes(samples))
    np.testing.assert_allclose(mean.collections[0].get_offsets(), expected, atol=1e-5)
    bars = [bar.get_height() for bar in figures["latent_kl"].axes[0].patches]
    with torch.no_grad():
        kl = model.encode(samples).kl().mean(0).sort(descending=True).values
    np.testing.assert_allclose(bars, kl, rtol=1e-5)


def test_an_autoencoder_of_angles_shows_them_in_degrees(generator):
    model = VAE((2,), latent_dim=2, hidden=[8], circular=[0, 1])
    x = torch.pi * (2 * torch.rand(50, 2) - 1)
    names = ["phi", "psi"]
    figures = draw(model, target=None, samples=x, generator=generator, names=names, degrees=True)
    for name, of_data in (("latent", 1), ("reconstruction", 3), ("traversal", 2)):
        for axis in figures[name].axes[:of_data]:
            assert axis.get_xlabel() == r"$\phi$ (degrees)"
            assert axis.get_xlim() == pytest.approx((-math.pi, math.pi))
    for axis in figures["traversal"].axes:
        segments = np.array(axis.collections[0].get_segments())
        assert np.abs(np.diff(segments, axis=1)).max() < math.pi  # none across the whole panel


@pytest.mark.parametrize(
    ("event_shape", "latent_dim"), [((1,), 1), ((4,), 3), ((1, 6, 5), 1), ((3, 4, 4), 25)]
)
def test_autoencoders_of_other_data(generator, event_shape, latent_dim):
    model = autoencoder(event_shape, latent_dim)
    samples = torch.rand(40, *event_shape)
    figures = draw(model, target=None, samples=samples, generator=generator)
    between = ["interpolation"] if len(event_shape) == 3 else []
    assert list(figures) == ["samples", *between, *AUTOENCODER]
    assert all(is_drawn(figure) for figure in figures.values())


@pytest.mark.parametrize("event_shape", [(2,), (1, 6, 5)])
def test_a_conditional_autoencoder(generator, event_shape):
    model, labels = autoencoder(event_shape, 2, labels=3), torch.randint(3, (40,))
    samples = torch.rand(40, *event_shape)
    figures = draw(model, target=None, samples=samples, generator=generator, context=labels)
    between = ["interpolation" if len(event_shape) == 3 else "calibration"]
    assert list(figures) == ["samples", *between, *AUTOENCODER]
    assert all(is_drawn(figure) for figure in figures.values())


@pytest.mark.parametrize("event_shape", [(2,), (1, 6, 5)])
def test_a_broken_autoencoder_still_has_figures(generator, event_shape):
    model = autoencoder(event_shape, 2)
    torch.nn.init.constant_(next(model.encoder.parameters()), math.nan)
    figures = draw(model, target=None, samples=torch.rand(40, *event_shape), generator=generator)
    assert all(is_drawn(figure) for figure in figures.values())


def test_a_family_has_figures_of_its_own(affine_flow, generator, monkeypatch):
    monkeypatch.setattr(gallery, "FIGURES", dict(gallery.FIGURES))

    @draws("mine")
    def mine(scene):
        drawn, (axis,) = panels(1, 1, side=2.0)
        axis.set_title(f"{len(scene.x)} {scene.kind}")
        return drawn

    @draws("never")
    def never(scene):
        return None

    class Own(affine_flow):
        figures = ("mine", "never", "latent")

    samples = torch.randn(30, 2)
    figures = draw(Own(MEAN, SCALE), target=None, samples=samples, generator=generator)
    assert list(figures) == ["mine", "latent"]
    assert titles(figures["mine"]) == ["30 True"]
    Own.figures = ("lattent",)
    with pytest.raises(UserError, match=r"Own.figures: nothing draws 'lattent'; .*latent"):
        draw(Own(MEAN, SCALE), target=None, samples=samples, generator=generator)


def test_figures_repeat(plane):
    flow, target = plane
    samples = target.sample(200)
    first, second = (
        draw(flow, target=target, samples=samples, generator=torch.Generator().manual_seed(0))
        for _ in range(2)
    )
    for name in first:
        assert np.array_equal(figure_to_image(first[name]), figure_to_image(second[name]))


@pytest.mark.parametrize("mean", [math.nan, 1e30])
@pytest.mark.parametrize("dims", [2, 3])
def test_a_broken_model_still_has_figures(affine_flow, gaussian_target, generator, mean, dims):
    flow = affine_flow([mean] + [0.0] * (dims - 1), [1.0] * dims)
    target = gaussian_target([0.0] * dims, [1.0] * dims)
    figures = draw(flow, target=target, samples=target.sample(100), generator=generator)
    assert all(is_drawn(figure) for figure in figures.values())


def test_the_quick_panel(plane):
    flow, target = plane
    figure = density_panel(flow, target)
    assert titles(figure) == ["True density", "Model density"]
    assert is_drawn(figure)


def test_the_quick_panel_of_a_target_known_by_samples(affine_flow, sample_target):
    figure = density_panel(affine_flow(MEAN, SCALE), sample_target(MEAN, SCALE))
    assert titles(figure) == ["Model density"]


class Bowl(Target):
    """The density of the other tests, up to a constant, without samples."""

    log_z = None

    def energy(self, x):
        return ((x - x.new_tensor(MEAN)) / x.new_tensor(SCALE)).square().sum(1) / 2 - 100


def test_an_energy_without_samples_has_the_same_layout(affine_flow, plane, generator):
    flow = affine_flow([1.0, -2.0], [0.8, 0.6])
    figures = draw(flow, target=Bowl(), samples=None, generator=generator)
    assert list(figures) == ["density", "samples", "deformation"]
    assert titles(figures["samples"])[0] == "Reweighted samples"
    truth, _ = target_density(Bowl(), Window(-4, 4, -4, 4), 200)
    exact, _ = target_density(plane[1], Window(-4, 4, -4, 4), 200)
    np.testing.assert_allclose(truth, exact, rtol=1e-6, atol=1e-9)
    assert titles(density_panel(flow, Bowl()))[0] == "True density given this window"
    points = figures["samples"].axes[0].collections[0].get_offsets()
    assert points.mean(0).tolist() == pytest.approx(MEAN, abs=0.1)
    assert all(is_drawn(figure) for figure in figures.values())


class Wide(Bowl):
    """Two fifths of its mass lie in the window."""

    bound = 3.0

    def energy(self, x):
        return x.square().sum(1) / 18 - 100


def test_the_true_panel_of_an_energy_is_scaled_by_log_z_or_says_that_it_is_not(
    affine_flow, gaussian_target, generator
):
    flow, truth = affine_flow([0.0, 0.0], [3.0, 3.0]), gaussian_target([0.0, 0.0], [3.0, 3.0])
    window = Window(-3, 3, -3, 3)
    figure = draw(flow, target=Wide(), samples=None, generator=generator)["density"]
    assert titles(figure)[0] == "True density, log Z estimated"
    shown = np.asarray(figure.axes[0].get_images()[0].get_array())
    exact, title = target_density(truth, window, len(shown))
    assert title == "True density"
    np.testing.assert_allclose(shown, exact, rtol=1e-4)
    # Without an estimate, and with one that misses what is in sight, the window holds all mass.
    for log_z in (None, 99.0, math.nan):
        values, title = target_density(Wide(), window, 50, log_z=log_z)
        assert title == "True density given this window"
        assert values.mean() * window.area == pytest.approx(1.0)
    flow.likelihood = "lower_bound"
    figure = density_figure(flow, Wide(), window=window, samples=None, size=50)
    assert titles(figure)[0] == "True density given this window"


def test_the_quick_panel_costs_little_beside_all_figures(plane, generator):
    flow, target = plane
    samples = target.sample(5000, generator=generator)

    def seconds(make) -> float:
        start = time.process_time()
        for figure in make():
            figure_to_image(figure)
        return time.process_time() - start

    quick = min(seconds(lambda: [density_panel(flow, target)]) for _ in range(3))
    whole = seconds(
        lambda: draw(flow, target=target, samples=samples, generator=generator).values()
    )
    assert quick < whole / 3


def test_windows():
    points = torch.cat([torch.randn(10_000, 2) * torch.tensor([1.0, 3.0]), torch.full((2, 2), 1e6)])
    points[0] = math.nan
    wide = window_of(points)
    assert (wide.left, wide.right) == pytest.approx((-3.0, 3.0), abs=0.3)
    assert (wide.bottom, wide.top) == pytest.approx((-9.0, 9.0), abs=0.9)
    square = window_of(points, square=True)
    assert square.right - square.left == pytest.approx(square.top - square.bottom)
    assert square.top == pytest.approx(wide.top)
    assert window_of(points, bound=2.0) == Window(-2.0, 2.0, -2.0, 2.0)
    assert window_of(torch.full((3, 2), math.nan)) == Window(-1.0, 1.0, -1.0, 1.0)
    assert window_of(torch.full((3, 2), 5.0)) == Window(4.0, 6.0, 4.0, 6.0)
