"""All numbers of a trained model under their tags: the same set for every family."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from genlab.batch import Batch
from genlab.densities.density import Density
from genlab.densities.inference import BATCH_SIZE, device_of, draw_samples, inference, spawn
from genlab.evaluation.distances import mmd, transport
from genlab.evaluation.ensembles import conditional_scores
from genlab.evaluation.estimate import Estimate, estimate_mean
from genlab.evaluation.fields import field_scores
from genlab.evaluation.images import Reduction, restoration, sample_quality
from genlab.evaluation.importance import (
    effective_sample_size,
    log_partition,
    pareto_k,
    weighted_samples,
)
from genlab.evaluation.likelihood import (
    bayes_accuracy,
    bits_per_dim,
    kl,
    negative_log_likelihood,
    negentropy_captured,
)
from genlab.evaluation.sampling import bijection_of, in_units, inverse_error, samples_per_second
from genlab.fields.statistics import Quantity
from genlab.targets.target import Target

__all__ = ["evaluate"]

FIELDS = 10_000
"""Samples of many numbers that ``test/kl`` takes: they cost more, and tell more each."""
NUMBERS = 2**26
"""Numbers of the samples of a model that are weighted: 256 MB."""
IMAGES_AT_ONCE = 256
"""Of images a network makes many channels: fewer fit into memory, and are as fast each."""


def evaluate(
    model: Density,
    *,
    test: Batch | None,
    target: Target | None,
    generator: torch.Generator,
    levels: int | None = None,
    labelled: Batch | None = None,
    training: Batch | None = None,
    reduction: Reduction | None = None,
    scale: Float[Tensor, "*event"] | None = None,
    quantity: Quantity | None = None,
    w2_points: int = 2000,
    kl_samples: int | None = None,
    weighted: int = 20_000,
    batch_size: int = BATCH_SIZE,
) -> dict[str, float]:
    """Every metric that applies, as tag and value; standard errors under ``.../se``.

    - ``test/nll``: nats per held-out sample.
    - ``test/bits_per_dim``: the same in bits a number of a quantised image, of mass instead of
      density.
    - ``test/kl``, ``target/entropy``: nats above the optimum, and the optimum, where known.
    - ``test/negentropy_captured``: the share of what there is to learn beyond mean and covariance
      (`negentropy_captured`), where the target knows how much that is.
    - ``test/ess``: effective sample size of the model's samples weighted towards the target, as a
      fraction, ``test/ess/pareto_k``, the shape of the weights' tail, and ``test/log_z``, ``log Z``
      of the target by the mean of these weights, where the target's energy is known and the model's
      likelihood exact; ``target/log_z`` and ``test/log_z/error``, the exact one and the difference,
      where known.
    - ``test/w2``: 2-Wasserstein distance of model samples and true ones, and
      ``test/w2/reference``: the same of two sets of true ones; of angles by the shorter way round.
    - ``test/mmd``: squared MMD on the same samples.
    - ``test/inverse_error``: for flows, on the same true samples, or else on the model's own.
    - ``test/standardised``: 1 where these distances are in the units of ``scale``.
    - ``test/accuracy``: of a label-conditional model as a classifier (`bayes_accuracy`).
    - Of images with labels, ``test/frechet``, ``test/precision``, ``test/recall`` and what goes
      with them (`sample_quality`); where small ones are given, ``test/psnr``, ``test/consistency``
      (`restoration`).
    - Of fields, ``test/spectrum`` and what goes with it (`field_scores`); given a vector,
      ``test/crps`` and what goes with it (`conditional_scores`).
    - ``model/parameters``, ``time/samples_per_second``, the model's own diagnostics, and what its
      family has of its own (`Density.metrics`), on the test rows or else true samples.

    True samples are fresh ones of the target. Where it has none, or the model is conditional, they
    are rows of the test set, and each model sample is given the context of such a row, and its
    weight where rows have one. Values that are not finite are returned as they are.

    Args:
        model: The density that is judged; its mode is restored.
        test: Held-out samples, or None.
        target: What the model should be, or None.
        generator: Source of all randomness; the global one is left alone.
        levels: Number of values that each number of a quantised image takes; None for others.
        labelled: Training samples with their classes as context; None where there are no classes.
        training: The training set, or None where it has no end.
        reduction: What makes the small images that a model of images is given; None for others.
        scale: The unit of each coordinate in ``test/w2``, ``test/mmd`` and ``test/inverse_error``;
            None for data units.
        quantity: What the numbers of a field are; None for data that are no fields.
        w2_points: Points of each cloud in ``test/w2``, ``test/mmd`` and scores of fields.
        kl_samples: Fresh samples of the target in ``test/kl``; the model's `test_samples` if None.
        weighted: Samples of the model in ``test/ess`` and ``test/log_z``.
        batch_size: Samples that pass through the model at once.
    """
    if model.image:
        batch_size = min(batch_size, IMAGES_AT_ONCE)
    # Each metric has a stream of its own, so that none depends on which others apply.
    for_nll, for_kl, for_truth, for_model, for_speed, for_weights, for_own, for_labels = (
        spawn(generator) for _ in range(8)
    )
    row = None if test is None or test.context is None else test.context[:1]
    metrics: dict[str, float] = {
        "model/parameters": float(sum(p.numel() for p in model.parameters()))
    }

    def record(tag: str, estimate: Estimate) -> None:
        metrics[tag] = estimate.value
        metrics[f"{tag}/se"] = estimate.se

    def record_all(estimates: Mapping[str, Estimate]) -> None:
        for tag, estimate in estimates.items():
            record(tag, estimate)

    if test is not None:
        nll = negative_log_likelihood(model, test, generator=for_nll, batch_size=batch_size)
        record("test/nll", nll)
        if levels is not None:
            record("test/bits_per_dim", bits_per_dim(nll, model.event_shape, levels))
    if target is not None and target.entropy is not None:
        if target.entropy_se:
            record("target/entropy", Estimate(target.entropy, target.entropy_se))
        else:
            metrics["target/entropy"] = target.entropy
    # Of a conditional model, unless it tells the law under each context itself.
    target = target if row is None or target is None or target.context_dim else None
    if target is not None and target.has_density and target.has_samples:
        few = min(FIELDS, model.test_samples // 5)
        n = kl_samples or (few if model.image else model.test_samples)
        divergence = kl(model, target, n=n, generator=for_kl, batch_size=batch_size)
        record("test/kl", divergence)
        if target.negentropy is not None:
            record("test/negentropy_captured", negentropy_captured(divergence, *target.negentropy))
    # All else compares clouds of one law.
    target = target if row is None else None
    proposals: Float[Tensor, "n *event"] | None = None
    if target is not None and target.has_energy and model.likelihood == "exact":
        proposals, log_weight = weighted_samples(
            model,
            target,
            min(weighted, model.test_samples, max(1000, NUMBERS // math.prod(model.event_shape))),
            generator=for_weights,
            batch_size=batch_size,
        )
        record("test/ess", effective_sample_size(log_weight))
        metrics["test/ess/pareto_k"] = pareto_k(log_weight)
        record("test/log_z", log_partition(log_weight))
        if target.has_density and target.log_z is not None:
            metrics["target/log_z"] = target.log_z
            metrics["test/log_z/error"] = metrics["test/log_z"] - target.log_z

    truth = _truth(test, target, w2_points, for_truth)
    places, context = (None if proposals is None else proposals[:w2_points]), None
    if truth is not None:
        places, context = truth.x, truth.context
        with inference(model, for_model):
            y = draw_samples(
                model, len(places), context, generator=for_model, batch_size=batch_size
            )
        if quantity is not None:
            source = spawn(for_labels)
            record_all(field_scores(
                y, places, truth.other, quantity, snapshots=truth.snapshots, generator=source
            ))  # fmt: skip
        x, y, other = (in_units(points, scale) for points in (places, y, truth.other))
        # A sample counts as the true one beside it: its context is drawn by weight then.
        angles = model.circular
        record("test/w2", transport(x, y, truth.weight, truth.weight, circular=angles))
        between = transport(x, other, truth.weight, truth.other_weight, circular=angles)
        record("test/w2/reference", between)
        record("test/mmd", mmd(x, y, truth.weight, circular=angles))
    if places is not None and bijection_of(model) is not None:
        metrics["test/inverse_error"] = inverse_error(
            model, places, context, scale=scale, batch_size=batch_size
        )
    if places is not None and scale is not None:
        metrics["test/standardised"] = 1.0
    if test is not None and labelled is not None:
        metrics |= _of_classes(model, labelled, test, record, for_labels, batch_size)
    if test is not None and quantity is not None and model.context_encoder.context_dim:
        record_all(conditional_scores(
            model, test, reduction, generator=for_labels, batch_size=batch_size
        ))  # fmt: skip
    elif test is not None and reduction is not None:
        record_all(restoration(model, test, reduction, generator=for_labels, batch_size=batch_size))
    # Before the family's own numbers, which may solve an ODE more finely.
    metrics |= model.diagnostics()
    judged = test if test is not None or places is None else Batch(places, context)
    with inference(model, for_own):
        own = model.metrics(judged, training, generator=for_own)
    for tag, value in own.items():
        if isinstance(value, Tensor) and value.ndim:
            record(tag, estimate_mean(value, None if judged is None else judged.weight))
        else:
            metrics[tag] = float(value)
    metrics["time/samples_per_second"] = samples_per_second(
        model, row, generator=for_speed, batch_size=batch_size
    )
    return metrics


def _of_classes(
    model: Density,
    labelled: Batch,
    test: Batch,
    record: Callable[[str, Estimate], None],
    generator: torch.Generator,
    batch_size: int,
) -> dict[str, float]:
    """Metrics that the classes of the training samples allow."""
    if model.context_encoder.labels:
        assert labelled.context is not None
        accuracy = bayes_accuracy(
            model, test, labelled.context, generator=spawn(generator), batch_size=batch_size
        )
        record("test/accuracy", accuracy)
    if not model.image:
        return {}
    return sample_quality(model, labelled, test, generator=generator, batch_size=batch_size)


class _Truth(NamedTuple):
    """Two sets of true samples that share none, and the context of the first."""

    x: Float[Tensor, "n *event"]
    other: Float[Tensor, "n *event"]
    context: Shaped[Tensor, "n ..."] | None = None
    weight: Float[Tensor, " n"] | None = None
    other_weight: Float[Tensor, " n"] | None = None
    snapshots: int = 1


def _truth(
    test: Batch | None, target: Target | None, n: int, generator: torch.Generator
) -> _Truth | None:
    """True samples; None where there are too few.

    A test set of fewer than ``2 n`` rows gives two halves, of at least the 5 points that MMD needs.
    Rows without weight are no samples. Of trajectories, each of which takes long to begin, those
    of the test set serve, none of them in both sets.
    """
    snapshots = 1 if target is None else target.snapshots
    if target is not None and target.has_samples and snapshots == 1:
        x = target.sample(2 * n, generator=spawn(generator, device_of(target)))
        return _Truth(x[:n], x[n:])
    if test is None:
        return None
    starts = snapshots * torch.randperm(len(test.x) // snapshots, generator=generator)
    order = (starts[:, None] + torch.arange(snapshots)).flatten().to(test.x.device)
    if test.weight is not None:
        order = order[test.weight[order] > 0]
    n = min(n, len(order) // 2) // snapshots * snapshots
    if n < 5:
        return None
    first, second = test.rows(order[:n]), test.rows(order[n : 2 * n])
    return _Truth(first.x, second.x, first.context, first.weight, second.weight, snapshots)
