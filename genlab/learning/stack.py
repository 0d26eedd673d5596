"""The gradient step of several learners at once: their weights are the rows of one matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.optim import SGD, Adam, AdamW, NAdam, RMSprop

from genlab.batch import Batch, Chunk
from genlab.learning.ema import EMA
from genlab.learning.gradient import ObjectiveLearner

__all__ = ["ELEMENTWISE", "Stack", "clip_rows"]

ELEMENTWISE = (Adam, AdamW, NAdam, RMSprop, SGD)
"""Optimisers that treat each number by itself: one over many models is one over each."""


class Stack(nn.Module):
    """``N`` learners of models of one shape, which take each step together.

    What a step on a small model costs is the number of its operations, not their size, and the
    losses of ``N`` models, vectorised by `torch.func.vmap`, take as many operations as one. All
    trained weights lie in one matrix ``[N, P]``, a row a model. The gradient of a row is that of
    its own loss alone, is clipped by its own norm, and one elementwise optimiser over the matrix
    moves each row as one of its own would: the rows never meet.

    The parameters of each model, its averages and the state of its own optimiser are views of their
    row. Whatever reads a learner between two steps, to validate or to save it, finds what it would
    find had the learner been trained alone.

    Args:
        learners: What is trained; as they are when their training starts.

    Attributes:
        weights: The matrix.
    """

    def __init__(self, learners: Sequence[ObjectiveLearner]) -> None:
        super().__init__()
        self.learners = tuple(learners)
        first = self.learners[0]
        self.shapes = [parameter.shape for parameter in first.trained]
        self.sizes = [parameter.numel() for parameter in first.trained]
        rows = [nn.utils.parameters_to_vector(learner.trained) for learner in self.learners]
        self.weights = nn.Parameter(torch.stack(rows).detach())
        for learner, row in zip(self.learners, self.weights.detach(), strict=True):
            for parameter, part in zip(learner.trained, self._parts(row), strict=True):
                parameter.data = part
        self.optimizer = first.start_optimizer([self.weights])
        self.ema = self._averages()
        # Kept from `nn.Module`, which would count the parameters of the first model twice.
        self._first = (_Loss(first),)
        self._constants = self._stacked_constants()

    def take(self, chunks: Mapping[ObjectiveLearner, Chunk]) -> None:
        """Take the steps of one chunk, fewer where a learner is asked to stop.

        Args:
            chunks: What each learner sees that still trains. The rows of the others are carried
                along, on the rows of the first, and mean nothing any more.
        """
        first, chunk = next(iter(chunks.items()))
        own = [chunks.get(learner, chunk) for learner in self.learners]
        losses = []
        for batch in _together(own):
            losses.append(self._step(first, batch))
            for learner in chunks:
                learner.step += 1
            if any(learner.stop_requested for learner in chunks) or first.out_of_time():
                break
        if not self._shares_state:
            self._share_state()
        for learner, row in zip(self.learners, torch.stack(losses, dim=1), strict=True):
            if learner in chunks:
                self._report(learner)
                learner.conclude_chunk(row)

    def _step(self, first: ObjectiveLearner, batch: Batch) -> Float[Tensor, " N"]:
        first.set_rate(self.optimizer)
        self.optimizer.zero_grad()
        losses = self._losses(batch)
        losses.sum().backward()
        clip = first.settings.gradient_clip
        if clip is not None:
            assert self.weights.grad is not None
            self._norms = clip_rows(self.weights.grad, clip)
        self.optimizer.step()
        if self.ema is not None:
            self.ema.update()
        return losses.detach()

    def _losses(self, batch: Batch) -> Float[Tensor, " N"]:
        (loss,) = self._first
        names = loss.trained_names
        weights = dict(zip(names, self._parts(self.weights), strict=True)) | self._constants
        places = Batch(*(None if part is None else 0 for part in batch))  # type: ignore[arg-type]

        def one(own: dict[str, Tensor], rows: Batch) -> Tensor:
            # Names are unique; tied again, what two layers share would not be given back.
            value: Tensor = functional_call(loss, own, (rows,), tie_weights=False)
            return value

        losses: Tensor = vmap(one, in_dims=(0, places))(weights, batch)
        return losses

    def _parts(self, rows: Float[Tensor, "*N P"]) -> list[Tensor]:
        """Rows cut into the parameters that they hold, as views."""
        pieces = rows.split(self.sizes, dim=-1)
        return [
            piece.view(*piece.shape[:-1], *shape)
            for piece, shape in zip(pieces, self.shapes, strict=True)
        ]

    def _stacked_constants(self) -> dict[str, Tensor]:
        """What the models hold besides what is trained, where they differ: units of the data."""
        (loss,) = self._first
        trained = set(loss.trained_names)
        everything = [_tensors(_Loss(learner)) for learner in self.learners]
        constants = {
            name: torch.stack([tensors[name].detach() for tensors in everything])
            for name in everything[0]
            if name not in trained
        }
        return {name: rows for name, rows in constants.items() if (rows != rows[0]).any()}

    def _averages(self) -> EMA | None:
        decay = self.learners[0].settings.ema
        if decay is None:
            return None
        ema = EMA(self, decay=decay)
        for learner, row in zip(self.learners, ema.average["weights"], strict=True):
            assert learner.ema is not None
            for name, part in zip(learner.trained_names, self._parts(row), strict=True):
                learner.ema.average[name] = part
        return ema

    @property
    def _shares_state(self) -> bool:
        first = self.learners[0]
        return first.trained[0] in first.optimizer.state

    def _share_state(self) -> None:
        """Let each learner's own optimiser hold the state of its row; it has none before a step."""
        for name, value in self.optimizer.state[self.weights].items():
            for index, learner in enumerate(self.learners):
                if value.shape == self.weights.shape:
                    own = self._parts(value[index])
                else:
                    # A count: saved as one for all, each parameter would raise it after a resume.
                    own = [value.clone() for _ in self.sizes]
                for parameter, part in zip(learner.trained, own, strict=True):
                    learner.optimizer.state[parameter][name] = part

    def _report(self, learner: ObjectiveLearner) -> None:
        """Note what a learner that is trained alone notes at each step."""
        for group, ours in zip(
            learner.optimizer.param_groups, self.optimizer.param_groups, strict=True
        ):
            group["lr"] = ours["lr"]
        for name, value in self.optimizer.state[self.weights].items():
            if value.shape != self.weights.shape:
                for parameter in learner.trained:
                    learner.optimizer.state[parameter][name].copy_(value)
        if learner.settings.gradient_clip is not None:
            learner.gradient_norm = self._norms[self.learners.index(learner)]
        if learner.ema is not None and self.ema is not None:
            learner.ema.updates = self.ema.updates


class _Loss(nn.Module):
    """The loss of a learner as a module of its own, which `functional_call` gives other weights."""

    def __init__(self, learner: ObjectiveLearner) -> None:
        super().__init__()
        self.model = learner.model
        self.learner = (learner,)
        self.trained_names = [f"model.{name}" for name in learner.trained_names]

    def forward(self, batch: Batch) -> Float[Tensor, ""]:
        (learner,) = self.learner
        return learner.loss(batch)


def clip_rows(gradient: Float[Tensor, "N P"], limit: float) -> Float[Tensor, " N"]:
    """Scale each row down to a norm of at most ``limit``, in place; their norms before.

    The rule of `torch.nn.utils.clip_grad_norm_`, for each row by itself.
    """
    norms: Tensor = torch.linalg.vector_norm(gradient, dim=1)
    gradient.mul_((limit / (norms + 1e-6)).clamp_max(1.0).unsqueeze(1))
    return norms


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return dict(module.named_parameters()) | dict(module.named_buffers())


def _together(chunks: Sequence[Chunk]) -> list[Batch]:
    """The batches of each step, those of all learners side by side: ``[N, n, ...]``."""
    steps = chunks[0].steps
    parts = zip(*(chunk.batch for chunk in chunks), strict=True)
    stacked = [
        [None] * steps if own[0] is None else torch.stack(own).unflatten(1, (steps, -1)).unbind(1)
        for own in parts
    ]
    return [Batch(*step) for step in zip(*stacked, strict=True)]
