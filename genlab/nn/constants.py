"""Fixed tensors that a module computes with, and that no saved state holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Constants"]


class Constants(nn.Module):
    """A module with tensors that follow from its arguments alone.

    They are buffers, to be where the parameters are and of their type, but no part of the state. So
    whatever gives a module memory without numbers, as the meta device with ``to_empty`` or with
    ``load_state_dict(assign=True)`` does, no state would fill them: they are worked out again here.

    A subclass gives them in `constant_tensors`, and calls `set_constants` once it knows what they
    need.
    """

    def constant_tensors(self) -> dict[str, Tensor]:
        """The tensors by name, worked out on the CPU; none by default."""
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
            # New memory may be empty; or hold what was rounded to the type before.
            if buffer is not None and buffer is not before[name]:
                buffer.copy_(value)
        return self

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        saved = (value for value in state_dict.values() if isinstance(value, Tensor))
        device = next((value.device for value in saved), torch.device("cpu"))
        # Its children's too: they may have no state that tells the device.
        for module in self.modules():
            if isinstance(module, Constants):
                module._leave_meta(device)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def _leave_meta(self, device: torch.device) -> None:
        for name, value in self._real_constants().items():
            buffer = self._buffers[name]
            if buffer is not None and buffer.is_meta:
                self._buffers[name] = value.to(device, buffer.dtype)
