"""What a codec is: a named pure pair that turns the text of a cell into a value of the record and back.

`decode` raises ValueError for a text it does not read, `encode` for a value it cannot say; neither ever puts the text
or the value in the error. A codec reads only what it declares, so that what it writes is what it reads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Codec:
    """A pair of pure functions. yields: the kinds of leaf its values may stand in, in order of the values.

    cells and values: how many it takes and gives; with more than one of either, decode and encode work on tuples.
    flag(value): a finding's word when the value is kept but doubtful (`check digit`). narrows: encode may lose some of
    the value. one_way: it only writes (computed columns). memo: decoding the same text gives the same value, and few
    enough texts come that they are kept. near: texts that may well come after that one, each the text of itself.
    words: every text it reads, where these are few; samples: values for tests.
    """

    name: str
    decode: Callable[[Any], Any]
    encode: Callable[[Any], Any]
    yields: tuple[str, ...] = ("text",)
    cells: int = 1
    flag: Callable[[Any], str] | None = None
    narrows: bool = False
    one_way: bool = False
    memo: bool = True
    near: Callable[[str], list[str]] | None = None
    words: tuple[str, ...] = field(default=())
    samples: tuple[Any, ...] = field(default=())

    @property
    def values(self) -> int:
        """How many values it gives."""
        return len(self.yields)


def same(value: Any) -> Any:
    """The value as it is."""
    return value


TEXT = Codec("text", same, same, ("text",))
