"""Figures as a notebook shows them."""

from __future__ import annotations

import base64
import io
from html import escape

from matplotlib.figure import Figure

__all__ = ["Figures"]

DPI = 100


class Figures(dict[str, Figure]):
    """Figures by name; as the last word of a cell a notebook shows all of them.

    >>> Figures(density=Figure())._repr_html_()[:42]
    '<figure style="margin:0 0 1em"><figcaption'
    """

    def _repr_html_(self) -> str:
        return "".join(
            f'<figure style="margin:0 0 1em"><figcaption>{escape(name)}</figcaption>'
            f'<img alt="{escape(name)}" style="max-width:100%" src="{_png(figure)}"></figure>'
            for name, figure in self.items()
        )


def _png(figure: Figure) -> str:
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=DPI)
    return f"data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()}"
