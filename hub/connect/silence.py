"""Whose trouble it is that no answer comes: the message's own, or the whole target's."""

from __future__ import annotations

from hub.errors import Unanswered

SEVERAL = 3
"""As many different messages in a row without an answer are no longer each one's own trouble."""


class Silence:
    """What one outlet sent without an answer since the last answer of any kind.

    A message that was silent before is not held against the target again: one that makes the target hang would else
    pause it for ever.
    """

    def __init__(self) -> None:
        self._keys: set[bytes] = set()

    def broken(self) -> None:
        """An answer came."""
        self._keys.clear()

    def unanswered(self, key: bytes, reason: str) -> Unanswered:
        """What to say of a message whose answer did not come."""
        again = key in self._keys
        self._keys.add(key)
        return Unanswered(reason, whole=not again and len(self._keys) >= SEVERAL)


__all__ = ["Silence"]
