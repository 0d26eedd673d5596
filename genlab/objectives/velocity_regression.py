"""Learning the velocity of a flow by regression on the speed of known paths: flow matching."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.batch import Batch, weighted_mean
from genlab.bounds import Fraction, NonNegativeInt
from genlab.densities.density import Density
from genlab.errors import UserError
from genlab.models.flow_matching import FlowMatching
from genlab.models.velocities import marked
from genlab.nn.precision import full_precision, output_of
from genlab.objectives.maximum_likelihood import negative_log_likelihood
from genlab.objectives.objective import Objective
from genlab.objectives.pairing import Independent, Pairing
from genlab.paths.times import Times

__all__ = ["VelocityRegression", "flow_matching_loss"]


@dataclass(frozen=True, kw_only=True)
class VelocityRegression(Objective[FlowMatching]):
    """Regresses the velocity on the speed of known paths: ``E |N(x_t, t) - (a' x_1 + s' x_0)|^2``.

    Lipman, Chen, Ben-Hamu, Nickel, Le, "Flow matching for generative modeling", 2023,
    arXiv:2210.02747. The validation loss is that of one fixed draw of sources and times for each
    batch, so that two checkpoints differ by their weights only; contexts are all shown.

    >>> VelocityRegression(pairing=Independent(), val_rows=0).reports
    ('val/loss',)

    Attributes:
        pairing: Which source point goes with which data point.
        times: Distribution of the times.
        context_dropout: Probability that a row's context is hidden.
        val_rows: Rows of each validation batch whose log-density is computed for ``val/nll``, which
            takes a solve of the ODE; 0 to leave it out.
    """

    pairing: Pairing = field(default_factory=Independent)
    times: Times = field(
        default_factory=lambda: Times(distribution="logit_normal", mean=1.0, std=1.3)
    )
    context_dropout: Fraction = 0.1
    val_rows: NonNegativeInt = 1000

    teaches = FlowMatching

    @property
    def reports(self) -> tuple[str, ...]:
        return ("val/loss", "val/nll") if self.val_rows else ("val/loss",)

    def compiles(self, model: Density) -> bool:
        # A transport plan takes as many iterations as it takes.
        return isinstance(self.pairing, Independent)

    def check(self, model: Density) -> None:
        super().check(model)
        assert isinstance(model, FlowMatching)
        if model.guidance != 1 and not self.context_dropout:
            raise UserError(
                f"guidance={model.guidance:g}: it needs the velocity without a context, "
                "which is learned where contexts are hidden; try `context_dropout=0.1`"
            )
        if model.context_encoder.context_dim and not isinstance(self.pairing, Independent):
            raise UserError(
                "`pairing`: it matches rows of the same context, and of vectors hardly two are "
                "the same; use `Independent`"
            )

    def loss(self, model: FlowMatching, batch: Batch) -> Float[Tensor, ""]:
        return flow_matching_loss(
            model,
            batch,
            pairing=self.pairing,
            times=self.times,
            context_dropout=self.context_dropout,
        )

    def validate(
        self, model: FlowMatching, batch: Batch, number: int = 0
    ) -> dict[str, Float[Tensor, ""]]:
        fixed = torch.Generator(batch.x.device).manual_seed(0)
        loss = flow_matching_loss(
            model, batch, pairing=self.pairing, times=self.times, generator=fixed
        )
        if not self.val_rows:
            return {"val/loss": loss}
        nll = negative_log_likelihood(model, batch.rows(slice(self.val_rows)))
        return {"val/loss": loss, "val/nll": nll}


@full_precision
def flow_matching_loss(
    model: FlowMatching,
    batch: Batch,
    *,
    pairing: Pairing,
    times: Times,
    context_dropout: float = 0.0,
    generator: torch.Generator | None = None,
) -> Float[Tensor, ""]:
    """``E |N(x_t, t) - target|^2`` over a batch, weighted, mean over the coordinates.

    The target is the conditional velocity ``alpha' x_1 + sigma' x_0`` (or the data, or the noise,
    as the model predicts). Its gradient in expectation is that of the regression on the marginal
    velocity, which is not known (Lipman et al., "Flow matching for generative modeling", 2023,
    theorem 2).

    Args:
        model: Whose network is trained.
        batch: Data in data units.
        pairing: Which source point goes with which data point.
        times: Distribution of the times.
        context_dropout: Probability that a row's context is hidden, which teaches the network the
            unconditional velocity that guidance needs.
        generator: Source of randomness, on the model's device; torch's global one if None.
    """
    x1, context, _ = model.prepare(batch.x, batch.context)
    # The source is given: if it learned, it would shrink to a point, whose paths have no loss.
    x0 = model.base.sample(len(x1), generator=generator)
    around = {"circular": model.circular} if model.circular else {}
    x0 = pairing.pair(x0, x1, batch.weight, context, generator=generator, **around)
    sample = model.path.sample(x0, x1, times.sample(len(x1), x1, generator=generator))
    if context is not None:
        u = torch.rand(len(x1), generator=generator, dtype=x1.dtype, device=x1.device)
        dropped = u < context_dropout
        context = marked(context, dropped.to(context.dtype))
    output = output_of(model.network, sample.x_t, sample.t, context)
    error = (output - sample.target(model.prediction)).flatten(1).square().mean(1)
    return weighted_mean(error, batch.weight)
