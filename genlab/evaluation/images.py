"""Numbers that only models of images have."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn.functional import interpolate

from genlab.batch import Batch
from genlab.densities.density import Density
from genlab.densities.inference import draw_samples, inference
from genlab.evaluation.classifier import classifier_of
from genlab.evaluation.distances import frechet_distance, precision_and_recall
from genlab.evaluation.estimate import Estimate, estimate_mean, estimate_of_means

__all__ = ["Reduction", "consistency", "enlarged", "restoration", "sample_quality"]

Reduction = Callable[[Float[Tensor, "n c h w"]], Float[Tensor, "n _"]]
"""From images to the small ones that a model is given, flattened."""

JUDGED = 2000
FEWEST = 10  # fewer are no cloud
TRUE = 10_000


def sample_quality(
    model: Density, labelled: Batch, test: Batch, *, generator: torch.Generator, batch_size: int
) -> dict[str, float]:
    """Quality of samples in the features of a classifier that was trained on the same set.

    Nothing where there are hardly any test images; NaN of samples that are not finite.

    - ``test/frechet``: their distance from training images (`frechet_distance`).
    - ``test/precision``, ``test/recall``: (`precision_and_recall`), against as many of these.
    - each with ``.../reference``, the same of as many test images in the place of samples.
    - ``test/classifier``, ``test/classifier/accuracy``: the classifier's fingerprint, with which
      scores compare, and how good it is on the training images.

    Args:
        model: The density.
        labelled: Training images, with their classes as context.
        test: Held-out images, with the context that the model wants.
        generator: Source of randomness.
        batch_size: Samples at once.
    """
    rows = test.rows(slice(JUDGED))
    if len(rows.x) < FEWEST:
        return {}
    classifier = classifier_of(labelled)
    with inference(model, generator):
        drawn = draw_samples(
            model, len(rows.x), rows.context, generator=generator, batch_size=batch_size
        )
    truth = classifier.features(labelled.x[:TRUE])
    numbers = {
        "test/classifier": float(classifier.fingerprint),
        "test/classifier/accuracy": classifier.accuracy(labelled.rows(slice(TRUE))),
    }
    for ending, images in (("", drawn), ("/reference", rows.x)):
        scores = (math.nan,) * 3
        if images.isfinite().all():
            features = classifier.features(images)
            distance = frechet_distance(truth, features)
            scores = distance, *precision_and_recall(truth[: len(features)], features)
        names = (f"test/{name}{ending}" for name in ("frechet", "precision", "recall"))
        numbers |= dict(zip(names, scores, strict=True))
    return numbers


def restoration(
    model: Density,
    test: Batch,
    reduction: Reduction,
    *,
    generator: torch.Generator,
    batch_size: int,
) -> dict[str, Estimate]:
    """Scores of the images that a model makes of small ones, against the true ones.

    - ``test/psnr``: mean of ``-10 log10 MSE`` over images, one sample each, in decibels, and
      ``test/psnr/reference`` that of the small images with their pixels repeated.
    - ``test/consistency``: `consistency` of the samples with the small ones.

    Args:
        model: A density of images given small ones.
        test: True images with the small ones.
        reduction: Makes small images of large ones.
        generator: Source of randomness.
        batch_size: Samples at once.
    """
    rows = test.rows(slice(JUDGED))
    given: Shaped[Tensor, "n _"] | None = rows.context
    assert given is not None
    with inference(model, generator):
        drawn = draw_samples(model, len(rows.x), given, generator=generator, batch_size=batch_size)
    drawn = drawn.to(rows.x).clamp(0, 1)
    return {
        "test/psnr": estimate_mean(_psnr(drawn, rows.x)),
        "test/psnr/reference": estimate_mean(_psnr(enlarged(given, model.event_shape), rows.x)),
        "test/consistency": consistency(drawn, given, reduction),
    }


def consistency(
    x: Float[Tensor, "n *event"], given: Float[Tensor, "n k"], reduction: Reduction
) -> Estimate:
    """Root mean square of ``A x - c``: how far samples are from what was seen of them.

    Args:
        x: Samples.
        given: ``c``, what each was made of.
        reduction: ``A``.

    >>> x = torch.tensor([[[[1.0, 3.0]]], [[[2.0, 2.0]]]])
    >>> consistency(x, torch.tensor([[1.0], [1.0]]), lambda x: x.mean((1, 2, 3))[:, None]).value
    1.0
    """
    off = (reduction(x) - given).double().square().mean(1)
    return estimate_of_means(lambda mean: mean.sqrt(), off)


def enlarged(
    context: Float[Tensor, "n _"], event_shape: tuple[int, ...]
) -> Float[Tensor, "n c h w"]:
    """Flattened small images at full size, each pixel a square of copies."""
    channels, height, width = event_shape
    factor = round((channels * height * width / context.shape[1]) ** 0.5)
    small = context.view(len(context), channels, height // factor, width // factor)
    return interpolate(small, size=(height, width), mode="nearest")


def _psnr(x: Float[Tensor, "n c h w"], truth: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
    error = (x - truth).square().flatten(1).mean(1)
    return -10 * error.log10()
