"""Images as densities: the bundled ones, and files."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genlab.targets import ImageDensity


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def saved(folder: Path, grey: list[list[int]], *, depth: type = np.uint8) -> str:
    path = folder / "image.png"
    Image.fromarray(np.array(grey, dtype=depth)).save(path)
    return str(path)


def pixel_centres(target: ImageDensity) -> torch.Tensor:
    x = target.cell * (torch.arange(target.columns, dtype=torch.float64) + 0.5)
    y = target.cell * (torch.arange(target.rows, dtype=torch.float64) + 0.5)
    x, y = x - target.cell * target.columns / 2, y - target.cell * target.rows / 2
    return torch.cartesian_prod(x, y)


@pytest.mark.parametrize("picture", ["china", "flower"])
def test_bundled_images(picture: str) -> None:
    target = ImageDensity(picture)
    centres = pixel_centres(target)
    log_p = target.log_prob(centres)
    assert len(centres) == 640 * 427
    assert log_p.exp().sum() * target.cell**2 == pytest.approx(1, abs=1e-9)
    x = target.sample(100_000, generator=generator())
    surprise = -target.log_prob(x)
    assert surprise.isfinite().all()
    assert abs(surprise.mean() - target.entropy) < 4 * surprise.std() / math.sqrt(len(x))
    assert target.log_prob(x.double()).dtype == torch.float64
    assert x.abs().max() <= target.bound


def test_samples_follow_the_brightness() -> None:
    target = ImageDensity("china")
    x = target.sample(200_000, generator=generator()).double()
    width, height = 4.0, 4.0 * 427 / 640
    edges = [
        torch.linspace(-half, half, 11, dtype=torch.float64).clone() for half in (width, height)
    ]
    shares = torch.histogramdd(x, edges).hist / len(x)
    centres = pixel_centres(target)
    masses = target.log_prob(centres).exp() * target.cell**2
    expected = torch.histogramdd(centres, edges, weight=masses).hist
    error = (expected / len(x)).sqrt()
    # A row of pixels may lie across an edge of these cells.
    assert ((shares - expected).abs() < 5 * error + 0.03 * expected).all()


def test_an_image_stands_upright(tmp_path: Path) -> None:
    target = ImageDensity("china", path=saved(tmp_path, [[0, 10], [20, 30], [0, 40]]))
    cell = 8 / 3
    x = torch.tensor([[-1.0, 3.0], [1.0, 3.0], [-1.0, 0.0], [1.0, 0.0], [-1.0, -3.0], [1.0, -3.0]])
    share = target.log_prob(x).exp() * cell**2
    expected = torch.tensor([0.0, 0.1, 0.2, 0.3, 0.0, 0.4])
    torch.testing.assert_close(share, expected)
    h = -sum(p * math.log(p) for p in (0.1, 0.2, 0.3, 0.4)) + 2 * math.log(cell)
    assert target.entropy == pytest.approx(h)


def test_outside_and_black_pixels_have_no_density(tmp_path: Path) -> None:
    target = ImageDensity("china", path=saved(tmp_path, [[0, 10], [20, 30]]))
    x = torch.tensor([[-2.0, 2.0], [4.1, 0.0], [0.0, -5.0], [1e6, 1e6], [1e30, -1e30]])
    assert (target.log_prob(x) == -math.inf).all()
    assert target.log_prob(target.sample(100_000, generator=generator())).isfinite().all()


def test_dark_pixels_can_be_the_likely_ones(tmp_path: Path) -> None:
    path = saved(tmp_path, [[255, 0], [255, 255]])
    target = ImageDensity("china", path=path, invert=True)
    x = target.sample(1000, generator=generator())
    assert (x > 0).all()
    assert target.entropy == pytest.approx(2 * math.log(4))


def test_deep_images_keep_their_levels(tmp_path: Path) -> None:
    path = saved(tmp_path, [[1000, 3000]], depth=np.uint16)
    p = ImageDensity("china", path=path).log_prob(torch.tensor([[-1.0, 0.0], [1.0, 0.0]])).exp()
    assert p[1] / p[0] == pytest.approx(3)


def test_colours_become_grey(tmp_path: Path) -> None:
    path = tmp_path / "colours.png"
    Image.fromarray(np.array([[[255, 0, 0], [0, 255, 0]]], dtype=np.uint8)).save(path)
    x = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])
    p = ImageDensity("china", path=str(path)).log_prob(x).exp()
    assert p[1] / p[0] == pytest.approx(0.587 / 0.299, rel=0.01)


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"picture=chian: .*did you mean 'china'\?"):
        ImageDensity("chian")
    with pytest.raises(ValueError, match=r"path=.*none.png: no such file"):
        ImageDensity("china", path=str(tmp_path / "none.png"))
    text = tmp_path / "text.png"
    text.write_text("not an image")
    with pytest.raises(ValueError, match=r"path=.*text.png: expected an image file"):
        ImageDensity("china", path=str(text))
    with pytest.raises(ValueError, match=r"path=.*: expected an image file"):
        ImageDensity("china", path=str(tmp_path))
    for level, invert in ((0, False), (7, True)):
        path = saved(tmp_path, [[level, level]])
        with pytest.raises(ValueError, match="one colour leaves no density"):
            ImageDensity("china", path=path, invert=invert)
