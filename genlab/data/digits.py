"""The handwritten digits that come with scikit-learn."""

from __future__ import annotations

import torch

from genlab.data.images import Images, ImageSource, Splits
from genlab.randomness import generator

__all__ = ["Digits"]

VALIDATION, TEST = 200, 360


class Digits(ImageSource):
    """1,797 images of 8x8 in 17 grey levels (Alpaydin, Kaynak, UCI repository, 1998).

    They stand in the order of their writers; one fixed shuffle splits them into 1,237 to train on,
    200 to validate and 360 to test on.
    """

    def read(self) -> Splits:
        # scikit-learn takes seconds to import: only who needs it waits.
        from sklearn.datasets import load_digits

        bunch = load_digits()
        levels = torch.from_numpy(bunch.images).to(torch.uint8)[:, None]
        order = torch.randperm(len(levels), generator=generator(0, "digits"))
        whole = Images(levels[order], torch.from_numpy(bunch.target).long()[order])
        return Splits(
            whole.rows(slice(VALIDATION + TEST, None)),
            whole.rows(slice(VALIDATION)),
            whole.rows(slice(VALIDATION, VALIDATION + TEST)),
        )
