"""A run of ``genlab train``: data, and a model that learns their density."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.fabric.utilities.seed import seed_everything

from genlab.arrays import event_points, sample_named
from genlab.assembly.description import asked_for, describe
from genlab.assembly.run import Run
from genlab.bijections.ode import coarsely
from genlab.bounds import NonNegativeInt, PositiveInt
from genlab.config.build import build
from genlab.config.prune import OPTIONAL
from genlab.config.targets import locate
from genlab.data.frames import context_rows
from genlab.data.preceding import precede
from genlab.data.roles import find_columns
from genlab.data.table_checks import refuse_negative
from genlab.densities.density import Density
from genlab.densities.event import Names
from genlab.densities.inference import inference
from genlab.errors import UserError
from genlab.evaluation import evaluate
from genlab.evaluation.figures import animate_fields, animate_paths, draw
from genlab.learning.gradient import ObjectiveLearner
from genlab.learning.passes import PassLearner
from genlab.learning.weights import start_from
from genlab.objectives import Objective
from genlab.randomness import generator
from genlab.runs.files import atomic_path

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray
    from torch import Tensor

    from genlab.targets.target import Target

__all__ = ["Training"]

PAIRED = 12
"""Columns that a figure of all pairs can show."""


class Training(Run):
    """One training of a density.

    >>> import genlab
    >>> training = genlab.experiment("model=realnvp", "data=moons", trainer={"max_steps": 2000})
    >>> training.model.log_prob(training.data.test.x).shape
    torch.Size([10000])

    Attributes:
        data: The DataModule; ``data.target`` is the distribution behind it, where there is one.
        model: The density, in plain torch.
        objective: What it learns by.
    """

    model: Any
    objective: Objective[Any]

    def _assemble(self) -> None:
        config = self.config
        describe(config)
        self.data = build(config, "data", **asked_for(config, "data"))
        self.model = build(config, "model")
        precede(self.model, self.data)
        objective = self.objective = build(config, "objective", **self._source())
        if objective.learns_from == "passes":
            self.module = PassLearner(self.model, objective, self.settings)
        else:
            steps = {name: build(config, name) for name in OPTIONAL}
            self.module = ObjectiveLearner(self.model, objective, self.settings, **steps)

    def _source(self) -> dict[str, Target]:
        """What the objective learns from besides the stream of the data."""
        choices, target = self.config.choices, self.data.target
        if locate("objective", self.config.objective._target_).learns_from == "energy":
            if target is None or not target.has_energy:
                raise UserError(
                    f"objective={choices.objective}: it learns from a log-density, which is "
                    f"unknown for data={choices.data}; use objective=maximum_likelihood"
                )
            return {"target": target}
        if target is not None and not target.has_samples:
            raise UserError(
                f"objective={choices.objective}: it learns from samples, which data="
                f"{choices.data} lacks; use objective=reverse_kl"
            )
        return {}

    def initialise(self) -> None:
        """Give the model its data-dependent start, or the weights of another run."""
        seed_everything(self.config.seed, verbose=False)
        weights = self.data.weights
        if weights is not None and not self.objective.signed:
            refuse_negative(weights, "`weight`")
        self.module.start(self.data.first_rows())
        start_from(self.model, self.settings.warm_start)
        # The other run may be of another precision.
        self.module.to(self.settings.dtype)

    def _remarks(self) -> tuple[str, ...]:
        return (*self.data.remarks, *self.objective.remarks(self.model))

    @property
    def density(self) -> Density:
        model: Density = self.model
        return model

    @property
    def likelihood(self) -> str:
        return str(self.data.likelihood(self.density))

    def log_prob(
        self, x: ArrayLike | Tensor, context: ArrayLike | Tensor | None = None
    ) -> NDArray[np.float64]:
        """The log-density of rows under the present weights, ``[n]`` in nats.

        Args:
            x: Rows in the units of the user's files: a DataFrame, whose columns are taken by name,
                or an array of the learned ones, ``[n, *event]``.
            context: As in `genlab.score`; None where there is none, or x is a DataFrame with its
                columns.

        Raises:
            UserError: A column is missing, or there is no such class.
        """
        self._place()
        data, model, names = self.data, self.model, self._names
        with self.keys.telling():
            given = context_rows(context, x, names, model.context_encoder)
            if data.transforms is None:
                rows = event_points(model, x, names).double().cpu().numpy()
            else:
                rows = data.transforms.read(x)
            with inference(model):
                log_p: NDArray[np.float64] = data.log_prob(model, rows, given).numpy()
            return log_p

    def sample(
        self,
        n: PositiveInt,
        context: ArrayLike | Tensor | None = None,
        *,
        seed: NonNegativeInt | None = None,
    ) -> Any:
        """Draw from the present weights, in the units of the user's files.

        Args:
            n: Number of samples, of each row of the context where it has several.
            context: As in `genlab.sample`: a DataFrame, a mapping of columns to values, words.
            seed: For the same samples again; torch's global random numbers if None.

        Returns:
            A DataFrame where columns have names, an array ``[n, *event]`` elsewhere.

        Raises:
            UserError: A column of the context is missing, or there is no such class.
        """
        self._place()
        with self.keys.telling():
            return sample_named(
                self.model,
                n,
                context,
                self._names,
                seed=seed,
                units=self.data.in_file_units,
                typed=self.data.typed,
            )

    @property
    def _names(self) -> Names:
        data = self.data
        columns = data.file_columns or data.columns
        return Names(columns, data.context_columns, data.label_column, data.label_names)

    def animate(self, folder: Path) -> Path:
        """Write how the model carries its base to the data as ``paths.gif``, and return its path.

        Raises:
            UserError: The model follows no ODE of fields, or in the plane without a context.
        """
        quantity, test = self.data.quantity, self.data.test
        in_plane = self.model.event_shape == (2,) and not self.model.context_encoder.dim
        if "paths" not in self.model.figures or not (in_plane or (quantity and test)):
            raise UserError(
                "plot --animate: shows how cnf and flow-matching move, fields or points in the "
                "plane without a context; this run has nothing of that kind"
            )
        path, source = folder / "paths.gif", generator(self.config.seed, "figures")
        with atomic_path(path) as temporary:
            if quantity and test:
                animate_fields(
                    self.model, temporary, test.x, test.context, quantity, generator=source
                )
            else:
                animate_paths(self.model, temporary, generator=source)
        return path

    def _evaluate(self) -> dict[str, float]:
        return evaluate(
            self.model,
            test=self.data.test,
            target=self.data.target,
            levels=self.data.levels,
            labelled=self.data.labelled,
            training=self.data.training_set,
            reduction=self.data.reduction,
            scale=self.data.scale,
            quantity=self.data.quantity,
            groups=self.data.test_groups,
            generator=generator(self.config.seed, "evaluate"),
        )

    def _draw(self, columns: Sequence[str | int] = ()) -> dict[str, Figure]:
        test, training = self.data.test, self.data.training_set
        # No eye sees more digits of a density.
        with coarsely(self.model):
            return draw(
                self.model,
                target=self.data.target,
                samples=None if test is None else test.x,
                context=None if test is None else test.context,
                weight=None if test is None else test.weight,
                training=None if training is None else training.x,
                enlarges=self.data.reduction is not None,
                quantity=self.data.quantity,
                names=self.data.columns,
                shown=self._places(columns) if columns else None,
                degrees=self.data.degrees,
                generator=generator(self.config.seed, "figures"),
            )

    def _places(self, columns: Sequence[str | int]) -> list[int]:
        """Which coordinates of a sample some columns are.

        Raises:
            UserError: There is no such column, too many are chosen, or all are shown anyway.
        """
        shape = self.density.event_shape
        if len(shape) != 1 or shape[0] == 2:
            raise UserError("columns: chooses among those of more than two; there are no such here")
        names = self.data.columns or [f"x{place + 1}" for place in range(shape[0])]
        # Numbers are those of the file's columns; a column of words may have several coordinates.
        found = find_columns("columns", columns, names, numbered=self.data.names or names)
        if len(found) > PAIRED:
            raise UserError(f"columns: {len(found)} are too many for a figure of all pairs; "
                            f"choose at most {PAIRED}")  # fmt: skip
        return [list(names).index(name) for name in found]
