"""What a connection is: the contract between how bytes travel and the flow. It knows no adapter and no meaning.

A link is fetched from by an `Inlet` and sent to by an `Outlet`; both are made from its `Connection`.
"""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple, Protocol

from hub.errors import Unavailable
from hub.message import Answer, NotTried, Parcel
from hub.wire import Document

Hook = Callable[[str], None]
"""Called with the name of each step of taking and sending, before and after it; for the fault tests."""


def no_hook(step: str) -> None:
    """The hook of every day."""


@dataclass(frozen=True)
class Connection:
    """How one link is reached, as hub.toml says it.

    kind: `folder`, or the dotted path of a council's own class. settings: the connection's table without its kind.
    home: the folder that relative paths start from. records: most messages in one parcel, which the link's batch and
    its adapter's limit decide. tables: a document is a set of files (a folder or a zip), not one file.
    """

    link: str
    kind: str
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
    home: Path = Path()
    records: int = 1
    tables: bool = False


class Fault(NamedTuple):
    """What is wrong with a connection's settings. key: of the setting, or "" for the whole."""

    key: str
    reason: str

    @classmethod
    def unknown(cls, key: str, known: Iterable[str]) -> Fault:
        """A key that means nothing here, with the known one that it may be meant for."""
        names = sorted(known)
        near = difflib.get_close_matches(key.casefold(), names, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are: {', '.join(names)}"
        return cls(key, f"nothing here is called {key!r}; {hint}")


@dataclass(frozen=True, repr=False)
class Arrival:
    """One document that arrived, as its bytes came: a zip is one part here.

    name: what the transport calls it, the document's identity at its link; it may hold a person's name, so it goes into
    no log. A document that is given again (after a crash) has the same name.
    """

    name: str
    document: Document

    def __repr__(self) -> str:
        return f"Arrival(parts={len(self.document.parts())}, bytes={self.document.size})"


class Returned(NamedTuple):
    """What a target took and later said it could not deliver. name: of its report. key: of the parcel, b"" where the
    report does not say. reason: in words, no value in it."""

    name: str
    key: bytes
    reason: str


class Inlet(Protocol):
    """Where a link's documents come from. One process at a time uses it (the source's lease).

    It may have more: `waits`, True where `fetch` itself waits a moment for what comes, so that it need not be asked now
    and then but always; `more()`, which gives what else waits, held in memory, to be kept and settled together with the
    arrival that `fetch` gave last; `settle_all(arrivals)`, which settles several at once; `lying()`, the names of what
    lay there when the last fetch began and does still, settled or not: it would be given again after a restart, so the
    store keeps to know these documents; and `rest()`, which lets go of what one process alone can have (an address that
    is listened at) when another reads the source: the next fetch takes it again.
    """

    def fetch(self) -> Iterator[Arrival]:
        """What has arrived, in order, and then the end; what was given before and not settled comes first.

        The caller settles an arrival before it asks for the next; one that it does not settle is given again by the
        next fetch. It may stop in the middle. Unavailable: the place cannot be looked at now.
        """
        ...

    def settle(self, arrival: Arrival) -> None:
        """The store has it: the other side need not keep it. Never raises for what is gone already."""
        ...

    def pending(self) -> bool:
        """After a fetch: whether something lies there that it did not give, and another soon may."""
        ...

    def ready(self) -> None:
        """Unavailable, with one clear line, when nothing can be fetched now."""
        ...

    def close(self) -> None:
        """Let go of what is held open."""
        ...


class Outlet(Protocol):
    """Where a link's parcels go.

    records: most messages in one parcel; 1: each its own. parcels: most parcels one `send` is given. limit: seconds
    that one `send` may take at the most. at_once: most sends at the same time over all processes; None: no bound of its
    own. keeps_aside: `stage` keeps the bytes at the target's side before the store does. promise: what one effect means
    here, in words.

    It may have more: `returned()`, which gives what was taken and later came back (`Returned`), and `confirm(returned)`
    for when the store has noted it.
    """

    records: int
    parcels: int
    limit: float
    at_once: int | None
    keeps_aside: bool

    @property
    def promise(self) -> str: ...

    def stage(self, parcel: Parcel) -> str:
        """Before the store keeps the parcel: put its bytes aside; under which token ("" where nothing is put aside).

        Each staging has a token of its own. It may give the parcel's data their last touch (an id, a time): they are
        kept as it leaves them, and sent so however often. Unavailable: it cannot be done now, and nothing lies there.
        """
        ...

    def send(self, parcels: Sequence[Parcel]) -> list[Answer]:
        """Send parcels that the store keeps (number and token set), in order; an answer for each, no exception."""
        ...

    def discard(self, parcel: Parcel) -> None:
        """Remove what was staged for a parcel that will not be sent under this token."""
        ...

    def tidy(self, live: Callable[[str], bool]) -> int:
        """Remove what was put aside and nobody knows (a process died before the store kept it); how many.

        live: whether the store knows a token. Call it now and then; it is in no hurry.
        """
        ...

    def ready(self) -> None:
        """Unavailable, with one clear line, when nothing can be sent now."""
        ...

    def close(self) -> None:
        """Let go of what is held open. It may be used again after."""
        ...


class OneByOne(ABC):
    """An outlet that puts nothing aside and sends its parcels one after another, each with an answer of its own."""

    keeps_aside = False
    seconds: float
    """Within which a parcel is begun; what comes later is not tried."""

    @abstractmethod
    def give(self, parcel: Parcel) -> Answer:
        """Send one parcel; no exception."""

    def stage(self, parcel: Parcel) -> str:
        """Nothing is put aside."""
        return ""

    def send(self, parcels: Sequence[Parcel]) -> list[Answer]:
        """Send in order; nothing more once the target cannot be reached."""
        answers: list[Answer] = []
        end = monotonic() + self.seconds
        for parcel in parcels:
            answer = NotTried() if monotonic() > end else self.give(parcel)
            answers.append(answer)
            if isinstance(answer, Unavailable) and answer.whole:
                break
        return answers + [NotTried()] * (len(parcels) - len(answers))

    def discard(self, parcel: Parcel) -> None:
        """Nothing was put aside."""
        return

    def tidy(self, live: Callable[[str], bool]) -> int:
        """Nothing was put aside."""
        return 0


__all__ = ["Arrival", "Connection", "Fault", "Hook", "Inlet", "OneByOne", "Outlet", "Returned", "no_hook"]
