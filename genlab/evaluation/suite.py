"""All numbers of a trained model under their tags: the same set for every family."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from genlab.batch import Batch
from genlab.densities.density import Density
from genlab.densities.inference import BATCH_SIZE, device_of, draw_samples, inference, spawn
from genlab.evaluation.c2st import c2st
from genlab.evaluation.calibration import calibration_scores
from genlab.evaluation.distances import mmd, transport
from genlab.evaluation.ensembles import conditional_scores
from genlab.evaluation.estimate import Estimate, effective_rows, estimate_mean, shares
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
    paired_log_probs,
)
from genlab.evaluation.sampling import (
    bijection_of,
    in_units,
    inverse_error,
    samples_per_second,
    synchronise,
)
from genlab.fields.statistics import Quantity
from genlab.targets.target import Target

__all__ = ["evaluate"]

FIELDS = 10_000
"""Samples of many numbers that ``test/kl`` takes: they cost more, and tell more each."""
NUMBERS = 2**26
"""Numbers of the samples of a model that are weighted: 256 MB."""
INVERTED = 2**17
"""Numbers of the samples that are carried to the latent and back, whose largest error is told."""
CLASSIFIED = 100
"""Numbers of a sample up to which ``test/c2st`` is asked for: its time grows with them."""
PAIRS = 100
"""Fewer teach a classifier nothing."""
IMAGES_AT_ONCE = 256
"""Of images a network makes many channels: fewer fit into memory, and are as fast each."""
SPEED = "time/samples_per_second"

Scores = dict[str, Estimate | float]
"""What is told, by tag."""


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
    groups: Int[Tensor, " n"] | None = None,
    w2_points: int = 2000,
    kl_samples: int | None = None,
    weighted: int = 20_000,
    calibration_rows: int = 1000,
    batch_size: int = BATCH_SIZE,
) -> dict[str, float]:
    """Every metric that applies, as tag and value; standard errors under ``.../se``.

    - ``test/nll``: nats per held-out sample; of fields those of the fresh ones of ``test/kl``;
      none where the law has no density.
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
    - ``test/c2st``: how often a classifier tells the two apart (`c2st`), given the context too,
      where no ``test/kl`` tells more.
    - ``test/sbc``, ``test/tarp``: of a conditional model of vectors, whether it is as sure as it
      may be (`Calibration`), and ``.../p_value`` of each.
    - ``test/inverse_error``: for flows, on the same true samples, or else on the model's own; on
      fewer where each has many numbers.
    - ``test/standardised``: 1 where these distances are in the units of ``scale``.
    - ``test/accuracy``: of a label-conditional model as a classifier (`bayes_accuracy`).
    - Of images with labels, ``test/frechet``, ``test/precision``, ``test/recall`` and what goes
      with them (`sample_quality`); where small ones are given, ``test/psnr``, ``test/consistency``
      (`restoration`).
    - Of fields, ``test/spectrum`` and what goes with it (`field_scores`); given a vector,
      ``test/crps`` and what goes with it (`conditional_scores`).
    - ``train/ess``: Kish's effective share of the training rows, where they have weights.
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
        groups: What each test row belongs to, where those of one group depend on each other, for
            the standard error of ``test/nll``; None where all are independent.
        w2_points: Points of each cloud in ``test/w2``, ``test/mmd``, ``test/c2st`` and scores of
            fields.
        kl_samples: Fresh samples of the target in ``test/kl``; the model's `test_samples` if None.
        weighted: Samples of the model in ``test/ess`` and ``test/log_z``.
        calibration_rows: Test rows in ``test/sbc`` and ``test/tarp``, of ODEs fewer (`calibrate`).
        batch_size: Samples that pass through the model at once.
    """
    if model.image:
        batch_size = min(batch_size, IMAGES_AT_ONCE)
    streams = _Streams(*(spawn(generator) for _ in _Streams._fields))
    row = None if test is None or test.context is None else test.context[:1]
    scores: Scores = {"model/parameters": sum(p.numel() for p in model.parameters())}
    if training is not None and training.weight is not None:
        n = len(training.x)
        scores["train/ess"] = effective_rows(shares(n, training.weight)) / n
    # Of a conditional model, unless it tells the law under each context itself.
    if target is not None and (row is None or target.context_dim):
        if target.entropy is not None:
            entropy, se = target.entropy, target.entropy_se
            scores["target/entropy"] = Estimate(entropy, se) if se else entropy
        scores |= _divergence(model, target, kl_samples, streams.kl, batch_size)
    measurable = target is None or not target.singular
    if test is not None and measurable and "test/nll" not in scores:
        nll = negative_log_likelihood(
            model, test, groups=groups, generator=streams.nll, batch_size=batch_size
        )
        scores["test/nll"] = nll
        if levels is not None:
            scores["test/bits_per_dim"] = bits_per_dim(nll, model.event_shape, levels)
    # All else compares clouds of one law.
    target = target if row is None else None
    places: Float[Tensor, "n *event"] | None = None
    if target is not None and target.has_energy and model.likelihood == "exact":
        proposals, own = _weighted(model, target, weighted, streams.weights, batch_size)
        scores, places = scores | own, proposals[:w2_points]
    truth, context = _truth(test, target, w2_points, streams.truth), None
    if truth is not None:
        places, context = truth.x, truth.context
        known = "test/kl" in scores
        scores |= _of_clouds(model, truth, scale, quantity, streams, batch_size, known=known)
    if places is not None and bijection_of(model) is not None:
        few = slice(max(1, INVERTED // math.prod(model.event_shape)))
        given = None if context is None else context[few]
        scores["test/inverse_error"] = inverse_error(
            model, places[few], given, scale=scale, batch_size=batch_size
        )
    if places is not None and scale is not None:
        scores["test/standardised"] = 1.0
    if test is not None:
        scores |= _of_contexts(
            model, test, labelled, reduction, quantity, calibration_rows, streams, batch_size
        )
    # Before the family's own numbers, which may solve an ODE more finely.
    scores |= model.diagnostics()
    judged = test if test is not None or places is None else Batch(places, context)
    scores |= _of_family(model, judged, training, streams.own)
    if SPEED not in scores:
        scores[SPEED] = samples_per_second(
            model, row, generator=streams.speed, batch_size=batch_size
        )
    return _flat(scores)


def _divergence(
    model: Density, target: Target, n: int | None, generator: torch.Generator, batch_size: int
) -> Scores:
    if not (target.has_density and target.has_samples):
        return {}
    scores: Scores = {}
    if model.image:
        n = n or min(FIELDS, model.test_samples // 5)
        log_p, log_q = paired_log_probs(
            model, target, n, generator=generator, batch_size=batch_size
        )
        # A log-density may take an ODE: once is enough.
        scores["test/nll"], divergence = estimate_mean(-log_q), estimate_mean(log_p - log_q)
    else:
        n = n or model.test_samples
        divergence = kl(model, target, n=n, generator=generator, batch_size=batch_size)
    scores["test/kl"] = divergence
    if target.negentropy is not None:
        captured = negentropy_captured(divergence, target.negentropy, target.negentropy_se)
        scores["test/negentropy_captured"] = captured
    return scores


def _weighted(
    model: Density, target: Target, n: int, generator: torch.Generator, batch_size: int
) -> tuple[Float[Tensor, "n *event"], Scores]:
    """Samples of the model, and scores of their weights towards the target."""
    n = min(n, model.test_samples, max(1000, NUMBERS // math.prod(model.event_shape)))
    x, log_weight = weighted_samples(model, target, n, generator=generator, batch_size=batch_size)
    log_z = log_partition(log_weight)
    scores: Scores = {
        "test/ess": effective_sample_size(log_weight),
        "test/ess/pareto_k": pareto_k(log_weight),
        "test/log_z": log_z,
    }
    if target.has_density and target.log_z is not None:
        scores["target/log_z"] = target.log_z
        scores["test/log_z/error"] = log_z.value - target.log_z
    return x, scores


def _of_clouds(
    model: Density,
    truth: _Truth,
    scale: Float[Tensor, "*event"] | None,
    quantity: Quantity | None,
    streams: _Streams,
    batch_size: int,
    *,
    known: bool,
) -> Scores:
    """Scores of samples of the model beside true ones, under the same contexts."""
    n, context, start = len(truth.x), truth.context, time.perf_counter()
    with inference(model, streams.model):
        y = draw_samples(model, n, context, generator=streams.model, batch_size=batch_size)
        synchronise(model.device)
    scores: Scores = {}
    if model.image:  # of vectors there are too few to tell
        scores[SPEED] = n / (time.perf_counter() - start)
    if quantity is not None:
        source, snapshots = spawn(streams.labels), truth.snapshots
        scores |= field_scores(
            y, truth.x, truth.other, quantity, snapshots=snapshots, generator=source
        )
    scores |= _distances(y, truth, scale, model.circular)
    # Importing and teaching trees takes seconds, which a known divergence saves.
    if not known and math.prod(model.event_shape) <= CLASSIFIED and n >= PAIRS:
        scores["test/c2st"] = _told_apart(model, y, truth, streams.folds)
    return scores


def _distances(
    y: Float[Tensor, "n *event"],
    truth: _Truth,
    scale: Float[Tensor, "*event"] | None,
    circular: Sequence[int],
) -> Scores:
    """Distances of the model's samples y from true ones."""
    x, y, other = (in_units(points, scale) for points in (truth.x, y, truth.other))
    # A sample counts as the true one beside it: its context is drawn by weight then.
    v, w = truth.weight, truth.other_weight
    return {
        "test/w2": transport(x, y, v, v, circular=circular),
        "test/w2/reference": transport(x, other, v, w, circular=circular),
        "test/mmd": mmd(x, y, v, circular=circular),
    }


def _told_apart(
    model: Density, y: Float[Tensor, "n *event"], truth: _Truth, generator: torch.Generator
) -> Estimate:
    """Accuracy of a classifier of model samples and true ones under the same contexts."""
    context = truth.context
    if context is not None:
        context = model.context_encoder(context.to(model.device), len(y), model.dtype)
    return c2st(
        truth.x, y, truth.weight, context=context, circular=model.circular, generator=generator
    )


def _of_contexts(
    model: Density,
    test: Batch,
    labelled: Batch | None,
    reduction: Reduction | None,
    quantity: Quantity | None,
    calibration_rows: int,
    streams: _Streams,
    batch_size: int,
) -> Scores:
    """Scores of what a model makes of the vectors, classes or small images that it is given."""
    scores: Scores = {}
    if test.context is not None and len(model.event_shape) == 1:
        scores |= calibration_scores(
            model, test, generator=streams.ranks, rows=calibration_rows, batch_size=batch_size
        )
    if labelled is not None:
        scores |= _of_classes(model, labelled, test, streams.labels, batch_size)
    if quantity is not None and model.context_encoder.context_dim:
        scores |= conditional_scores(
            model, test, reduction, generator=streams.labels, batch_size=batch_size
        )
    elif reduction is not None:
        scores |= restoration(
            model, test, reduction, generator=streams.labels, batch_size=batch_size
        )
    return scores


def _of_classes(
    model: Density, labelled: Batch, test: Batch, generator: torch.Generator, batch_size: int
) -> Scores:
    """Metrics that the classes of the training samples allow."""
    scores: Scores = {}
    if model.context_encoder.labels:
        assert labelled.context is not None
        scores["test/accuracy"] = bayes_accuracy(
            model, test, labelled.context, generator=spawn(generator), batch_size=batch_size
        )
    if model.image:
        scores |= sample_quality(model, labelled, test, generator=generator, batch_size=batch_size)
    return scores


def _of_family(
    model: Density, judged: Batch | None, training: Batch | None, generator: torch.Generator
) -> Scores:
    """Metrics of the model's family: a number for each row, or one for all."""
    weight = None if judged is None else judged.weight
    with inference(model, generator):
        own = model.metrics(judged, training, generator=generator)
    return {
        tag: estimate_mean(value, weight)
        if isinstance(value, Tensor) and value.ndim
        else float(value)
        for tag, value in own.items()
    }


def _flat(scores: Scores) -> dict[str, float]:
    """Numbers alone, each standard error after what it is of."""
    metrics: dict[str, float] = {}
    for tag, score in scores.items():
        if isinstance(score, Estimate):
            metrics[tag], metrics[f"{tag}/se"] = score.value, score.se
        else:
            metrics[tag] = float(score)
    return metrics


class _Streams(NamedTuple):
    """A stream of randomness for each metric, so that none depends on which others apply."""

    nll: torch.Generator
    kl: torch.Generator
    truth: torch.Generator
    model: torch.Generator
    speed: torch.Generator
    weights: torch.Generator
    own: torch.Generator
    labels: torch.Generator
    folds: torch.Generator
    ranks: torch.Generator


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
    # No samples stand for a law by signed weights.
    if test is None or (test.weight is not None and bool((test.weight < 0).any())):
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
