"""Images as data: quantised levels made continuous, or black and white."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Literal

import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor
from torch.nn.functional import avg_pool2d

from genlab.batch import Batch
from genlab.bijections.bijection import Bijection, Compose
from genlab.bijections.domains import LogitTransform
from genlab.bijections.elementwise_affine import Standardise
from genlab.bounds import NonNegativeInt, Positive, PositiveInt
from genlab.data.image_facts import context_facts, image_facts
from genlab.data.image_sources import Images, ImageSource
from genlab.data.image_stream import ImageStream, Render, uniform
from genlab.data.module import DataModule
from genlab.data.streams import ShuffledSet, Stream
from genlab.errors import UserError
from genlab.randomness import generator

__all__ = ["ImageData"]

Binarise = Literal["static", "dynamic", "threshold"]
Condition = Literal["label", "low_resolution"]


class ImageData(DataModule):
    """Images of L levels a number, as points of the unit cube: ``x = (level + u) / L``.

    With u uniform in (0, 1), drawn anew each time an image is seen, the mean log-density of x
    bounds that of the levels from below (Theis, van den Oord, Bethge, "A note on the evaluation of
    generative models", 2016). Images to validate and test on have one u each, the same in every
    run, so that runs compare.

    Black and white, x is 0 or 1 and a model gives masses, not densities: 1 with probability
    ``level / (L - 1)``, drawn once ("static") or at each sight ("dynamic", Salakhutdinov, Murray,
    "On the quantitative analysis of deep belief networks", 2008), or 1 above the middle level
    ("threshold").

    Args:
        source: Where the images come from, with their split.
        event_shape: Channels, height and width.
        levels: L.
        classes: Number of classes; 0 where there are no labels.
        labels: Number of classes that a model is conditioned on; follows from ``condition``.
        context_dim: Length of the context vector; follows from ``condition``.
        train_size: The first so many images to train on; None for all.
        val_size: To validate on.
        test_size: To test on.
        batch_size: Images that one training step sees, in each process.
        alpha: Of the logit transform in front of the model; None for none.
        standardise: Let the model work on numbers of zero mean and unit variance, each one of a
            image by itself, after the logit.
        dequantise: u is ``fresh`` at each sight, or ``fixed`` for each image, as EM wants it.
        binarise: How images become black and white; None to keep their levels.
        condition: What a model is conditioned on: the ``label``, or the image in
            ``low_resolution``; None for nothing.
        factor: How many times smaller that is, on both sides.
        seed: The run's seed.

    Raises:
        UserError: The source has other images, or options contradict each other.
    """

    def __init__(
        self,
        source: ImageSource,
        *,
        event_shape: Sequence[PositiveInt],
        levels: PositiveInt,
        classes: NonNegativeInt,
        labels: NonNegativeInt,
        context_dim: NonNegativeInt,
        train_size: PositiveInt | None,
        val_size: PositiveInt | None,
        test_size: PositiveInt | None,
        batch_size: PositiveInt,
        alpha: Positive | None,
        standardise: bool,
        dequantise: Literal["fresh", "fixed"],
        binarise: Binarise | None,
        condition: Condition | None,
        factor: PositiveInt,
        seed: NonNegativeInt,
    ) -> None:
        super().__init__(event_shape=event_shape, batch_size=batch_size, standardise=standardise)
        given = {"labels": labels, "context_dim": context_dim}
        for key, value in context_facts(event_shape, classes, condition, factor).items():
            if given[key] != value:
                raise UserError(f"{key}={given[key]}: follows from `condition`; leave it")
        self.source = source
        self.classes = classes
        self.sizes = (train_size, val_size, test_size)
        self.depth = levels
        self.levels = None if binarise else levels
        self.masses = binarise is not None
        self.alpha = alpha
        self.dequantise = dequantise
        self.binarise = binarise
        self.condition = condition
        self.factor = factor
        self.seed = seed

    facts = staticmethod(image_facts)

    def preprocessing(self, circular: Sequence[int]) -> Bijection | None:
        if circular:
            raise UserError(
                f"circular={list(circular)}: the pixels of images are no angles; use []"
            )
        if self.binarise is not None:
            return None
        layers: list[Bijection] = [] if self.alpha is None else [LogitTransform(self.alpha)]
        layers += [Standardise(self.event_shape)] if self.standardise else []
        return Compose(layers) if layers else None

    @cached_property
    def images(self) -> tuple[Images, Images, Images]:
        """The levels of all images, to train, validate and test on."""
        splits = self.source.read()
        for part in splits:
            if part.levels.shape[1:] != self.event_shape or int(part.levels.max()) >= self.depth:
                raise UserError(
                    f"`event_shape={list(self.event_shape)}`, `levels={self.depth}`: the "
                    f"images are {list(part.levels.shape[1:])}, up to {part.levels.max()}"
                )
        parts = (splits.train, _mixed(splits.validation), _mixed(splits.test))
        train, validation, test = (
            part.rows(slice(size)) for part, size in zip(parts, self.sizes, strict=True)
        )
        return train, validation, test

    @cached_property
    def stream(self) -> Stream:
        images = self.images[0]
        if self.binarise in ("static", "threshold") or self.dequantise == "fixed":
            assert self.training_set is not None
            return ShuffledSet(self.training_set, seed=self.seed)
        return ImageStream(images.levels, self._render, self._context(images), seed=self.seed)

    @cached_property
    def training_set(self) -> Batch | None:
        return self._fixed(0, "train")

    @cached_property
    def validation(self) -> Batch:
        return self._fixed(1, "validation")

    @cached_property
    def test(self) -> Batch | None:
        return self._fixed(2, "test")

    @property
    def labelled(self) -> Batch | None:
        labels = self.images[0].labels
        if labels is None:
            return None
        assert self.training_set is not None
        return Batch(self.training_set.x, labels)

    @property
    def reduction(self) -> Callable[[Tensor], Tensor] | None:
        if self.condition != "low_resolution":
            return None
        return partial(low_resolution, factor=self.factor)

    def first_rows(self, n: int = 10_000) -> Batch:
        return self.stream.rows(0, min(n, len(self.images[0].levels)))

    @property
    def _render(self) -> Render:
        if self.binarise is None:
            return self._dequantised
        return self._thresholded if self.binarise == "threshold" else self._flipped

    def _dequantised(
        self, levels: UInt8[Tensor, "n c h w"], u: Float[Tensor, "n c h w"]
    ) -> Float[Tensor, "n c h w"]:
        return torch.add(levels, u).mul_(1 / self.depth)

    def _flipped(
        self, levels: UInt8[Tensor, "n c h w"], u: Float[Tensor, "n c h w"]
    ) -> Float[Tensor, "n c h w"]:
        return (u * (self.depth - 1) < levels).float()

    def _thresholded(
        self, levels: UInt8[Tensor, "n c h w"], u: Float[Tensor, "n c h w"]
    ) -> Float[Tensor, "n c h w"]:
        return (levels.float() > (self.depth - 1) / 2).float()

    def _fixed(self, part: int, purpose: str) -> Batch:
        images = self.images[part]
        # Of no seed: the same in every run.
        u = uniform(tuple(images.levels.shape), generator(0, purpose))
        return Batch(self._render(images.levels, u), self._context(images))

    def _context(self, images: Images) -> Shaped[Tensor, "n ..."] | None:
        if self.condition == "label":
            return images.labels
        if self.condition == "low_resolution":
            return low_resolution((images.levels + 0.5) / self.depth, self.factor)
        return None


def low_resolution(x: Float[Tensor, "n c h w"], factor: int) -> Float[Tensor, "n _"]:
    """Means of squares of ``factor`` by ``factor`` numbers, flattened: what a model is given."""
    return avg_pool2d(x, factor).flatten(1)


def _mixed(images: Images) -> Images:
    """In an order of no meaning, always the same: the first rows stand for all.

    As published, the first half of MNIST's test set comes from other writers than the second.
    """
    n = len(images.levels)
    return images.rows(torch.randperm(n, generator=generator(0, "held-out pictures")))
