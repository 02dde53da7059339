"""Every error the hub raises, in one tree; the flow's reactions hang on these classes.

No message of these errors ever holds a value of a record: only names of files, fields, rows and code tables,
positions (line, segment, ordinal) and what to do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


class HubError(Exception):
    """Anything the hub itself says went wrong."""


class DeclarationError(HubError):
    """Our files or the call are wrong (a mapping, a code table, a command line): nothing can run until mended.

    `file` and `place` (a row, a line, a key) say where; the message says what and what to do. Exit code 2.
    """

    def __init__(self, reason: str, *, file: str = "", place: str = "") -> None:
        self.reason, self.file, self.place = reason, file, place
        super().__init__(": ".join(part for part in (file, place, reason) if part))


class RecordError(HubError):
    """One record (or one document) cannot be read or mapped; those beside it can.

    `file` and `place` say where in the document (line, segment, `Child 12`), `row` and `table` which row of the
    mapping and which code table failed. `ids`: the record's own id at its source, "" where it cannot be read, then
    those of others that it is about; values of the record, and so in no text of this error.
    """

    def __init__(
        self,
        reason: str,
        *,
        file: str = "",
        place: str = "",
        row: str = "",
        table: str = "",
        ids: tuple[str, ...] = (),
    ) -> None:
        self.reason, self.file, self.place, self.row, self.table, self.ids = reason, file, place, row, table, ids
        super().__init__(": ".join(part for part in (file, place, row, table, reason) if part))

    def as_dict(self) -> dict[str, Any]:
        """The parts that are set, for reports."""
        names = ("reason", "file", "place", "row", "table")
        return {name: getattr(self, name) for name in names if getattr(self, name)}


class Refused(HubError):
    """The target understood the message and will not have it: parked, never retried by itself."""


class Unavailable(HubError):
    """The target could not be asked; the same message may pass later.

    after: the target's own wish, in seconds. whole: nothing can be sent to it now (no connection, a wrong password, too
    many requests), so the target pauses and no message is counted; else it is this message's own trouble.
    """

    def __init__(self, reason: str, *, after: float | None = None, whole: bool = False) -> None:
        self.after, self.whole = after, whole
        super().__init__(reason)


class Unanswered(Unavailable):
    """The bytes left and no answer came: the message may have arrived."""


def fault(error: Exception, *, file: str = "", place: str = "") -> RecordError:
    """A fault of the hub itself, as an error that shows no value: its own message might."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    where = f" at {Path(at.tb_frame.f_code.co_filename).name}:{at.tb_lineno}" if at else ""
    return RecordError(
        f"a fault of the hub itself ({type(error).__name__}{where}); please report it", file=file, place=place
    )
