"""Servers that show runs, asked before a run begins whether they answer."""

from __future__ import annotations

import os
import ssl
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

from genlab.errors import UserError

__all__ = ["look_at_mlflow", "look_at_wandb"]

PATIENCE = 5
"""Seconds that a server has to answer in."""

WANDB = "https://api.wandb.ai"


def look_at_mlflow(*, tracking_uri: str | None = None, **_: Any) -> None:
    """Refuse a tracking server that does not answer.

    Raises:
        UserError: There is no answer.
    """
    name = "MLFLOW_TRACKING_URI" if tracking_uri is None else "tracking_uri"
    _refuse_silent(name, tracking_uri or os.environ.get(name, ""))


def look_at_wandb(*, mode: str = "offline", **_: Any) -> None:
    """Refuse a service that does not answer, where runs are sent as they go.

    Raises:
        UserError: There is no answer.
    """
    if mode == "online":
        _refuse_silent("mode=online: WANDB_BASE_URL", os.environ.get("WANDB_BASE_URL", WANDB))


def _refuse_silent(name: str, uri: str) -> None:
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https"):  # a file or a database
        return
    address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"  # no password in a message
    try:
        urlopen(address, timeout=PATIENCE).close()
    except (HTTPError, HTTPException):  # an answer, too
        return
    except OSError as error:
        reason = getattr(error, "reason", error)
        # Which certificates count, the library of the server is told in its own way.
        if not isinstance(reason, ssl.SSLError):
            raise UserError(f"{name}={address}: no answer: {reason}") from error
