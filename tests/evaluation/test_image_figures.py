"""Figures of images show the right pixels in the right places."""

from __future__ import annotations

import numpy as np
import torch

from genlab.evaluation.figures.images import FRAME, arc, mosaic, nearest
from genlab.evaluation.images import enlarged


def test_a_mosaic_has_its_images_row_by_row() -> None:
    images = torch.rand(5, 1, 4, 6)
    whole = mosaic(images, columns=3)
    assert whole.shape == (4 + 1 + 4, 3 * 6 + 2)
    np.testing.assert_array_equal(whole[5:, 7:13], images[4, 0].numpy())
    assert (whole[4] == np.float32(FRAME)).all()
    assert (whole[5:, 14:] == np.float32(FRAME)).all()
    coloured = torch.rand(2, 3, 4, 6)
    np.testing.assert_array_equal(
        mosaic(coloured, columns=2)[:, 7:], coloured[1].permute(1, 2, 0).numpy()
    )
    odd = torch.tensor([float("nan"), 3.0, -1.0, 0.5]).view(1, 1, 2, 2)
    np.testing.assert_array_equal(mosaic(odd, columns=1), [[0, 1], [0, 0.5]])


def test_the_nearest_image_is_the_nearest() -> None:
    training, samples = torch.rand(30, 1, 5, 5), torch.rand(7, 1, 5, 5)
    distance = (samples[:, None] - training).flatten(2).norm(dim=2)
    assert torch.equal(nearest(samples, training), distance.argmin(1))


def test_an_arc_keeps_the_length_of_codes_and_their_ends() -> None:
    a = torch.nn.functional.normalize(torch.randn(4, 2, 3).flatten(1)).view(4, 2, 3)
    b = torch.nn.functional.normalize(torch.randn(4, 2, 3).flatten(1)).view(4, 2, 3)
    way = arc(a, b, torch.linspace(0, 1, 5))
    torch.testing.assert_close(way[:, 0], a)
    torch.testing.assert_close(way[:, -1], b)
    torch.testing.assert_close(way.flatten(2).norm(dim=2), torch.ones(4, 5))


def test_small_images_are_enlarged_by_copies() -> None:
    small = torch.arange(8.0).view(2, 4)
    large = enlarged(small, (1, 4, 6 - 2))
    torch.testing.assert_close(torch.nn.functional.avg_pool2d(large, 2).flatten(1), small)
