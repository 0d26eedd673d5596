"""Fixed tensors that a module computes with, and that no saved state holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Constants"]


class Constants(nn.Module):
    """A module with tensors that follow from its arguments alone.

    They are buffers, which move with the parameters and take their type, but are not saved. A
    module that was made on the meta device, and then given memory by ``to_empty`` or
    ``load_state_dict(assign=True)``, would find their values nowhere: they are computed again here.

    A subclass returns them from `constant_tensors`, and calls `set_constants` as soon as it has the
    attributes that this needs.

    >>> import genlab
    >>> path = genlab.densities.StandardNormal((2,)).double()
    >>> path.origin.dtype, list(path.state_dict())
    (torch.float64, [])
    """

    def constant_tensors(self) -> dict[str, Tensor]:
        """The tensors by name, computed on the CPU; none by default."""
        return {}

    def set_constants(self) -> None:
        """Make the constants buffers, on the default device and of the default type."""
        for name, value in self._real_constants().items():
            dtype = torch.get_default_dtype() if value.is_floating_point() else value.dtype
            buffer = value.to(torch.get_default_device(), dtype)
            self.register_buffer(name, buffer, persistent=False)

    def _real_constants(self) -> dict[str, Tensor]:
        with torch.device("cpu"):
            return self.constant_tensors()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Constants:
        before = dict(self._buffers)
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, value in self._real_constants().items():
            buffer = self._buffers[name]
            # New memory may be empty, or hold what was rounded to the type before.
            if buffer is not None and buffer is not before[name]:
                buffer.copy_(value)
        return self

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        saved = (value for value in state_dict.values() if isinstance(value, Tensor))
        device = next((value.device for value in saved), torch.device("cpu"))
        # Those of children too: a child may have no state of its own that tells the device.
        for module in self.modules():
            if isinstance(module, Constants):
                module._leave_meta(device)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def _leave_meta(self, device: torch.device) -> None:
        for name, value in self._real_constants().items():
            buffer = self._buffers[name]
            if buffer is not None and buffer.is_meta:
                self._buffers[name] = value.to(device, buffer.dtype)
