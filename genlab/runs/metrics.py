"""What each number of a run is: its unit, which way is better, and where it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = [
    "HIGHER",
    "KIND",
    "LOWER",
    "METRICS",
    "NEITHER",
    "SIGN",
    "STANDARDISED",
    "Metric",
    "headline",
    "metric_of",
    "rank",
    "reliable",
    "remark",
    "standardised",
]

LOWER, NEITHER, HIGHER = -1, 0, 1

SIGN = {"exact": "", "none": "", "lower_bound": "<= ", "estimate": "~ "}
"""What stands before a number that is a bound or an estimate, by the label of the likelihood."""

KIND = {"exact": "", "none": "", "lower_bound": "an upper bound", "estimate": "an estimate"}
"""The same in words: what bounds a likelihood from below bounds these numbers from above."""

GROUPS = ("test", "val", "train", "pinn", "sampler", "ode", "model", "time")


@dataclass(frozen=True)
class Metric:
    """One number of a run.

    Attributes:
        tag: What it is called everywhere.
        title: What it is.
        unit: What it is measured in; empty where it has none.
        better: -1 where less is better, 1 where more is, 0 where no run is marked as the best.
        first: Whether it stands at the head of a printed table, in the order of `METRICS`.
        headline: Whether a run may be listed by it: by the first one that it has.
        column: Whether ``compare`` shows it without being asked, in the order of `METRICS`.
        bound: Whether it is a bound or an estimate where the likelihood is one.
        remark: What stands beside its value.
        undefined: What stands there instead where it has none.
        beside: A metric in whose remark it is told, in place of a row of its own.
        told: What is told there, as a format.
        doubt: A metric that tells whether this one is reliable, and the largest value at which it
            is.
        distance: Whether it is in standard deviations where `STANDARDISED` says so.
    """

    tag: str
    title: str = ""
    unit: str = ""
    better: int = NEITHER
    first: bool = False
    headline: bool = False
    column: bool = False
    bound: bool = False
    remark: str = ""
    undefined: str = ""
    beside: str = ""
    told: str = ""
    doubt: tuple[str, float] | None = None
    distance: bool = False


TAIL = ("test/ess/pareto_k", 0.7)
"""Means of weighted samples are reliable up to this shape of the weights' tail (Vehtari et al.,
"Pareto smoothed importance sampling", 2015, arXiv:1507.02646)."""

UNITS = "data units, of tables standard deviations"

STANDARDISED = "test/standardised"
"""1 in runs whose distances are in standard deviations of each column; runs on tables of older
versions have none, and distances in the columns' own units."""

METRICS = (
    Metric(
        "test/kl", "divergence KL(target || model)", "nats", LOWER,
        first=True, headline=True, column=True, bound=True, remark="nats above the optimum",
    ),
    Metric(
        "test/negentropy_captured", "share of the negentropy, all but mean and covariance", "share",
        HIGHER, first=True, column=True, bound=True, remark="0: the best Gaussian, 1: the optimum",
    ),
    Metric(
        "test/nll", "negative log-likelihood of held-out samples", "nats a sample", LOWER,
        first=True, headline=True, column=True, bound=True,
    ),
    Metric(
        "test/bits_per_dim", "code length of a held-out image", "bits a number", LOWER,
        first=True, column=True, bound=True,
    ),
    Metric(
        "test/importance_samples", "draws of the latent that a log-density is estimated with",
        beside="test/nll", told="{:.0f} importance samples",
    ),
    Metric(
        "target/entropy", "entropy of the target: the lowest NLL that there could be", "nats",
        beside="test/nll", told="entropy floor {:.5g}",
    ),
    Metric(
        "test/ess", "effective sample size of the model's samples, weighted to the target", "share",
        HIGHER, first=True, remark="effective share of its samples", doubt=TAIL,
    ),
    Metric(
        "test/ess/pareto_k", "shape of these weights' tail: above 0.7 do not rely on them", "",
        LOWER, beside="test/ess", told="Pareto k {:.2f}",
    ),
    Metric("test/log_z", "log of the target's constant, by these weights", "nats", first=True,
           doubt=TAIL),
    Metric(
        "target/log_z", "the exact log of the target's constant", "nats",
        beside="test/log_z", told="exact {:.5g}",
    ),
    Metric("test/log_z/error", "the error of this constant", "nats", beside="test/log_z"),
    Metric(
        "test/relative_l2", "error of the solution u, |u - u*| / |u*| in L^2", "", LOWER,
        first=True, headline=True, column=True,
    ),
    Metric(
        "test/relative_l2/zero", "the same of u = 0", first=True, remark="the error of u = 0",
        undefined="undefined, as is any relative error: the exact solution is 0",
    ),
    Metric("test/max_error", "largest error of the solution", "units of u", LOWER, first=True),
    Metric("test/residual", "mean of the squared residual over the domain"),
    Metric("test/conditions", "the term of boundary conditions and data in the loss"),
    Metric(
        "test/w2", "2-Wasserstein distance of samples and true ones", UNITS, LOWER,
        column=True, distance=True,
    ),
    Metric("test/w2/reference", "the same of two sets of true samples", UNITS, distance=True),
    Metric("test/mmd", "squared maximum mean discrepancy of samples and true ones", distance=True),
    Metric("test/c2st", "share of samples and true ones that a classifier tells apart", "share",
           LOWER, remark="0.5: as true ones"),
    Metric(
        "test/sbc", "unevenness of the true samples' ranks among draws given the same context", "",
        LOWER, first=True, column=True, remark="0: calibrated",
    ),
    Metric("test/sbc/p_value", "chance that a calibrated model has ranks as uneven",
           beside="test/sbc", told="p {:.2g}"),
    Metric(
        "test/tarp", "how much more often than claimed credible regions hold the truth", "share",
        first=True, column=True, remark="0: calibrated, negative: too sure",
    ),
    Metric("test/tarp/p_value", "the same of ranks in distance from a reference point",
           beside="test/tarp", told="p {:.2g}"),
    Metric("test/inverse_error", "largest error of the inverse of a flow", UNITS, LOWER,
           distance=True),
    Metric(STANDARDISED, "whether these are in standard deviations of each column",
           beside="test/w2"),
    Metric("test/accuracy", "share of samples whose class the model finds", "share"),
    Metric("test/frechet", "Frechet distance of samples and training images, in features"),
    Metric("test/frechet/reference", "the same of held-out images"),
    Metric("test/precision", "samples that lie where training images do", "share"),
    Metric("test/precision/reference", "the same of held-out images", "share"),
    Metric("test/recall", "training images that lie where samples do", "share"),
    Metric("test/recall/reference", "the same of held-out images", "share"),
    Metric(
        "test/classifier", "fingerprint of the classifier whose features these are",
        remark="fingerprint: only runs with the same one compare",
    ),
    Metric("test/classifier/accuracy", "its accuracy on the training images", "share"),
    Metric("test/psnr", "peak signal-to-noise ratio of images made of small ones", "decibels"),
    Metric("test/psnr/reference", "the same of the small ones with their pixels repeated",
           "decibels"),
    Metric("test/consistency", "how far samples are from what was given when reduced to it",
           "data units"),
    Metric(
        "test/spectrum", "largest relative error of the power of a shell |k| >= 1 of fields",
        "share", LOWER, first=True, remark="worst shell, relative",
    ),
    Metric("test/spectrum/reference", "the same of two sets of true fields", "share",
           beside="test/spectrum", told="of true ones {:.3g}"),
    Metric("test/log_spectral_distance", "difference of the shells' levels, over that of true sets",
           "multiple", LOWER, remark="times that of two true sets"),
    Metric("test/log_spectral_distance/decibels", "the same itself", "decibels", LOWER,
           beside="test/log_spectral_distance", told="{:.3g} dB"),
    Metric("test/retention/energetic", "power of large scales over the true one", "share"),
    Metric("test/retention/inertial", "power of middle scales over the true one", "share"),
    Metric("test/retention/dissipative", "power of small scales over the true one", "share"),
    Metric("test/flatness", "flatness of fields, of a flow of its vorticity: 3 of Gaussian ones",
           first=True),
    Metric("target/flatness", "the same of true ones", beside="test/flatness", told="true {:.5g}"),
    Metric("test/energy", "kinetic energy, 1/2 mean |u|^2", "units of u squared"),
    Metric("target/energy", "the same of true fields", "units of u squared",
           beside="test/energy", told="true {:.5g}"),
    Metric("test/enstrophy", "1/2 mean (w - mean w)^2", "units of w squared"),
    Metric("target/enstrophy", "the same of true fields", "units of w squared",
           beside="test/enstrophy", told="true {:.5g}"),
    Metric(
        "test/enstrophy_flux", "largest relative error of the enstrophy flux at three wavenumbers",
        "share", LOWER, first=True, remark="worst of three wavenumbers, relative",
    ),
    Metric("test/enstrophy_flux/reference", "the same of two sets of true fields", "share",
           beside="test/enstrophy_flux", told="of true ones {:.3g}"),
    Metric("test/increments", "W1 of velocity increments, three distances, over that of true ones",
           "multiple", LOWER, first=True, remark="times that of two true sets"),
    Metric("test/increments/w1", "the same itself", "standard deviations", LOWER,
           beside="test/increments", told="W1 {:.3g} deviations"),
    Metric(
        "test/crps", "continuous ranked probability score of samples given a context, fair",
        "data units", LOWER, first=True,
    ),
    Metric("test/crps/reference", "the same of true ones given other contexts", "data units",
           beside="test/crps", told="{:.3g} without a look at the context"),
    Metric("test/spread_skill", "scatter of samples given a context over the error of their mean",
           first=True, remark="1: as sure as it is right"),
    Metric("test/misfit", "how far samples, observed without noise, are from what was observed",
           "data units"),
    Metric("test/misfit/reference", "the same of true ones: the noise", "data units",
           beside="test/misfit", told="of true ones {:.3g}"),
    Metric("val/loss", "objective on the validation set", better=LOWER),
    Metric("val/nll", "negative log-likelihood of it", "nats a sample", LOWER),
    Metric("val/kl", "divergence of the codes from the prior", "nats", LOWER),
    Metric("val/reconstruction", "negative log-likelihood given the codes", "nats", LOWER),
    Metric("val/ess", "effective sample size of weighted samples", "share", HIGHER),
    Metric("val/relative_l2", "error of the solution, |u - u*| / |u*| in L^2", "", LOWER),
    Metric("train/loss", "objective on the batches", better=LOWER),
    Metric("train/ess", "effective sample size of the rows to learn from, by their weights",
           "share"),
    Metric("train/steps", "training steps", better=LOWER),
    Metric("train/lr", "learning rate"),
    Metric("train/gradient_norm", "norm of the gradient before it is clipped"),
    Metric("train/beta", "weight of the divergence, or inverse temperature"),
    Metric("train/components", "Gaussians of the mixture"),
    Metric("pinn/points", "collocation points"),
    Metric("pinn/residual_evaluations", "evaluations of the residual, those of the sampler too"),
    Metric("pinn/jump", "loss on fresh points over that on those just left, the median of three"),
    Metric("pinn/held_out", "least loss so far on points that no step has seen", better=LOWER),
    Metric("pinn/damping", "lambda of the last step by Levenberg and Marquardt"),
    Metric("pinn/growth", "what multiplies it after the next rejection"),
    Metric("pinn/previous_loss", "loss before the last step by Broyden"),
    Metric("pinn/tries", "dampings or lengths that the last step tried"),
    Metric("sampler/ess", "effective sample size of weighted points", "share", HIGHER),
    Metric("sampler/acceptance", "samples that lie in the domain", "share", HIGHER),
    Metric("sampler/largest_weight", "the largest weight of a point", "share"),
    Metric("sampler/kl", "divergence KL(h / Z || model)", "nats"),
    Metric("sampler/kl_grid", "the same of the points drawn next, on a grid", "nats"),
    Metric("sampler/mass", "integral Z of the indicator h"),
    Metric("sampler/int_p", "integral of the model's density over the domain"),
    Metric("sampler/retained", "points that were kept", "share"),
    Metric("sampler/beta", "price of slopes", "length^2"),
    Metric("sampler/log_p_max", "largest log-density of the model", "nats"),
    Metric("ode/error", "largest error of a log-density by the solver", "nats",
           remark="nats, the largest of a log-density by the solver"),
    Metric("ode/straightness", "how far ways are from straight, as kinetic energy in excess"),
    Metric("ode/nfe", "evaluations of the velocity for a log-density"),
    Metric("ode/nfe_backward", "the same for its gradient by the adjoint ODE"),
    Metric("ode/nfe_sample", "the same for a sample"),
    Metric("model/parameters", "trainable numbers", column=True),
    Metric("model/components", "Gaussians of the mixture"),
    Metric("model/aic", "Akaike's criterion on the training set"),
    Metric("model/bic", "the Bayesian criterion on the training set"),
    Metric("time/fit_seconds", "time of the training", "seconds", LOWER, column=True),
    Metric("time/steps_per_second", "training steps in a second", "1/second", HIGHER),
    Metric("time/samples_per_second", "samples in a second", "1/second", HIGHER),
    Metric("time/solve_seconds", "time of the solve", "seconds", LOWER),
    Metric("time/sampler_seconds", "what of it the sampler took", "seconds", LOWER),
    Metric("time/sampler_share", "the same as a share", "share"),
)  # fmt: skip
"""All of them; a number of a user's own has a row of its own too, neither better nor worse."""

BY_TAG = {metric.tag: metric for metric in METRICS}
FIRST = [metric.tag for metric in METRICS if metric.first]


def metric_of(tag: str) -> Metric:
    """What is known of a tag; of one that genlab does not know, that a loss is to be low."""
    is_loss = tag.startswith(("train/", "val/"))
    return BY_TAG.get(tag) or Metric(tag, better=LOWER if is_loss else 0)


def headline(metrics: Mapping[str, float | None]) -> Metric | None:
    """The metric that a run is listed and compared by; None where it has none yet."""
    return next((m for m in METRICS if m.headline and metrics.get(m.tag) is not None), None)


def rank(tag: str) -> tuple[int, int, str]:
    """A key to sort tags by: the first ones in their order, then group by group, by name."""
    group = tag.partition("/")[0]
    return (
        FIRST.index(tag) if tag in FIRST else len(FIRST),
        GROUPS.index(group) if group in GROUPS else len(GROUPS),
        tag,
    )


def reliable(tag: str, metrics: Mapping[str, float | None]) -> bool:
    """Whether a run's value of a metric may be relied on, by what the run measured beside it.

    >>> reliable("test/ess", {"test/ess": 0.02, "test/ess/pareto_k": 0.83})
    False
    """
    doubt = metric_of(tag).doubt
    if doubt is None or doubt[0] not in metrics:
        return True
    by, most = metrics[doubt[0]], doubt[1]
    return by is not None and by <= most


def standardised(tag: str, metrics: Mapping[str, float | None]) -> bool:
    """Whether a run's value of a metric is a distance in standard deviations of each column."""
    return metric_of(tag).distance and bool(metrics.get(STANDARDISED))


def remark(tag: str, metrics: Mapping[str, float | None], likelihood: str) -> str:
    """What stands beside a metric: what kind of number it is, and what is told with it.

    >>> remark("test/nll", {"test/nll": 2.4, "target/entropy": 2.3939}, "lower_bound")
    'an upper bound, entropy floor 2.3939'
    """
    metric = metric_of(tag)
    parts = [metric.remark if metrics[tag] is not None else metric.undefined or metric.remark]
    # Said once: of the numbers that follow from these it is the same.
    if metric.bound and metric.headline:
        parts.append(KIND[likelihood])
    for other in METRICS:
        value = metrics.get(other.tag)
        if other.beside == tag and value is not None:
            parts.append(other.told.format(value))
    if standardised(tag, metrics):
        parts.append("in standardised units")
    if metric.doubt is not None and not reliable(tag, metrics):
        by, most = metric.doubt
        parts.append(f"unreliable: {by} {'unknown' if metrics[by] is None else f'above {most:g}'}")
    return ", ".join(filter(None, parts))
