"""The tables, as the newest migration leaves them. Times are seconds since 1970 by the database's clock.

Names of 16 bytes come from `hub.seal.Keyring.name`. A message is open while `ended` is empty; the partial indexes
hold open messages only, so that claiming costs the same however many were sent before.

For the migrations and their test alone: nothing else asks SQLAlchemy, which takes long to import.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Sequence,
    Table,
    Text,
    text,
)
from sqlalchemy.schema import SchemaItem

metadata = MetaData()
_Whole = BigInteger().with_variant(Integer(), "sqlite")
NUMBERS = Sequence("message_number", metadata=metadata)
"""Places in line on PostgreSQL; SQLite counts in the row `number` of `fact`."""
PARCELS = Sequence("parcel_number", metadata=metadata)


def _id() -> Column[int]:
    return Column("id", _Whole, primary_key=True, autoincrement=True)


def _text(name: str, default: str = "") -> Column[str]:
    return Column(name, Text, nullable=False, server_default=text(f"'{default}'"))


def _int(name: str, default: int = 0) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=text(str(default)))


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=text("false"))


def _time(name: str) -> Column[float]:
    return Column(name, Double, nullable=False, server_default=text("0"))


def _table(name: str, *parts: SchemaItem, thin: bool = False) -> Table:
    """thin: on SQLite nothing but its primary key's index."""
    counted = any(getattr(part, "autoincrement", 0) is True for part in parts)
    return Table(name, metadata, *parts, sqlite_autoincrement=counted, sqlite_with_rowid=not thin)


def _partial(table: Table, name: str, *columns: str, where: str) -> None:
    """An index of the rows for which this is true."""
    held = [table.c[column] for column in columns]
    Index(name, *held, sqlite_where=text(where), postgresql_where=text(where))


link = _table(
    "link",
    _id(),
    Column("name", Text, nullable=False, unique=True),
    Column("identity", Text, nullable=False, unique=True),  # the name it was first known by; names of 16 bytes use it
)
source = _table(
    "source",
    Column("link", BigInteger, primary_key=True, autoincrement=False),
    Column("reader", BigInteger),
    _int("unchanged"),
)
target = _table(
    "target",
    Column("link", BigInteger, primary_key=True, autoincrement=False),
    _int("generation"),
    Column("paused", Double),  # until when; empty: not paused; past: one probe may go
    Column("cause", BigInteger),
    Column("probe", BigInteger),  # the worker that has it
    _time("resumed"),  # what was published before this is published again
)
slot = _table(
    "slot",
    Column("target", BigInteger, nullable=False),
    Column("n", BigInteger, nullable=False),
    Column("worker", BigInteger, nullable=False),
    PrimaryKeyConstraint("target", "n"),
)
worker = _table(
    "worker",
    _id(),
    _text("host"),
    _int("pid"),
    _time("started"),
    _time("until"),
    Column("gone", Double),
    _text("mapping"),
)
document = _table(
    "document",
    _id(),
    Column("name", LargeBinary, nullable=False, unique=True),
    Column("link", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # name and parts
    _time("kept"),
    _int("position"),
    _flag("done"),
    _int("unchanged"),
    Column("cause", BigInteger),
)
chunk = _table(
    "chunk",
    Column("document", BigInteger, nullable=False),
    Column("part", BigInteger, nullable=False),
    Column("ordinal", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("document", "part", "ordinal"),
)
key = _table(  # of children and of identifiers; the head is the last record kept for it
    "key",
    _id(),
    Column("name", LargeBinary, nullable=False, unique=True),
    _int("version"),
    Column("content", LargeBinary),  # the head's, empty when it cannot be compared with
    Column("document", BigInteger),
    Column("ordinal", BigInteger),
    Column("alias", BigInteger),  # the key that it was merged into
)
record = _table(
    "record",
    Column("document", BigInteger, nullable=False),
    Column("ordinal", BigInteger, nullable=False),
    Column("key", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("carries", Text, nullable=False),
    _flag("removal"),
    _flag("failed"),
    Column("content", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    _int("revision"),  # how often a person edited it
    PrimaryKeyConstraint("document", "ordinal"),
)
former = _table(  # a record as it was before an edit, or before a mended mapping could read it
    "former",
    Column("document", BigInteger, nullable=False),
    Column("ordinal", BigInteger, nullable=False),
    Column("n", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    _flag("failed"),
    Column("kind", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("document", "ordinal", "n"),
)
finding = _table(
    "finding",
    Column("document", BigInteger, nullable=False),
    Column("ordinal", BigInteger, nullable=False),
    Column("cause", BigInteger, nullable=False),
    PrimaryKeyConstraint("document", "ordinal", "cause"),
    Index("finding_cause", "cause", "document"),
    thin=True,
)
message = _table(
    "message",
    Column("number", _Whole, primary_key=True, autoincrement=False),
    Column("id", LargeBinary, nullable=False),
    Column("document", BigInteger, nullable=False),
    Column("ordinal", BigInteger, nullable=False),
    Column("key", BigInteger, nullable=False),
    Column("source", BigInteger, nullable=False),
    Column("target", BigInteger, nullable=False),
    Column("generation", BigInteger, nullable=False),
    _int("revision"),  # of the record, when its id was made
    _flag("whole"),  # a full state: may be superseded, and nothing behind it minds
    Column("state", Text, nullable=False),
    Column("owner", BigInteger),
    _flag("alone"),  # how it is claimed
    Column("parcel", BigInteger),
    Column("due", Double),
    _int("attempts"),
    _int("crashes"),
    _int("lone"),
    _int("tried"),
    _flag("arrived"),
    Column("cause", BigInteger),
    _text("receipt"),
    Column("superseded_by", BigInteger),
    _time("published"),
    _time("created"),
    _time("changed"),
    Column("ended", Double),
    CheckConstraint("(state IN ('ready', 'sending', 'waiting', 'parked')) = (ended IS NULL)", name="message_open"),
    CheckConstraint("(state = 'sending') = (owner IS NOT NULL)", name="message_owned"),
)
place = _table(
    "place",
    Column("target", BigInteger, nullable=False),
    Column("key", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    PrimaryKeyConstraint("target", "key", "number"),
    Index("place_number", "number"),
    thin=True,
)
aside = _table(  # the places of messages that were set aside. passed: a later message was sent there since
    "aside",
    Column("target", BigInteger, nullable=False),
    Column("key", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    _flag("passed"),
    PrimaryKeyConstraint("target", "key", "number"),
    Index("aside_number", "number"),
    thin=True,
)
member = _table(  # the children of a form, which has a key of its own
    "member",
    Column("form", BigInteger, nullable=False),
    Column("child", BigInteger, nullable=False),
    PrimaryKeyConstraint("child", "form"),
    Index("member_form", "form"),
    thin=True,
)
bearing = _table(  # the number that a child bears, and whether it is shielded (`hub.store.bearing`)
    "bearing",
    Column("child", BigInteger, nullable=False),
    Column("key", BigInteger, nullable=False),  # of the number; of the child itself where it is shielded
    _flag("shielded"),
    PrimaryKeyConstraint("child", "key"),
)
Index("bearing_key", bearing.c.key)
told = _table(  # what a target knows of a child, or of whoever bears a number (`hub.store.told`)
    "told",
    Column("target", BigInteger, nullable=False),
    Column("key", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),  # of the message that told it
    Column("sealed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("target", "key"),
)
run = _table(  # a replay: a frozen set of messages, or of children's newest records
    "run",
    _id(),
    _text("asked"),  # what was chosen, as JSON: the same again while it is open is the same run
    Column("target", BigInteger),  # of `--latest`
    _text("who"),
    _text("why"),
    _text("mapping"),  # the digest that it is bound to
    _text("state"),
    _text("note"),
    Column("rate", Double),  # a second
    Column("canary", BigInteger),  # its item
    Column("worker", BigInteger),  # who releases now
    _time("tokens"),
    _time("paced"),
    _time("created"),
    Column("ended", Double),
)
run_item = _table(
    "run_item",
    Column("run", BigInteger, nullable=False),
    Column("n", BigInteger, nullable=False),
    Column("number", BigInteger),  # of `--latest`: once there is a message
    Column("key", BigInteger),  # of `--latest`
    Column("state", Text, nullable=False),
    Column("before", BigInteger),  # the cause that it was parked for
    _text("note"),
    PrimaryKeyConstraint("run", "n"),
    Index("run_item_state", "run", "state", "n"),
)
attempt = _table(
    "attempt",
    Column("number", BigInteger, nullable=False),
    Column("tried", BigInteger, nullable=False),
    Column("worker", BigInteger, nullable=False),
    Column("started", Double, nullable=False),
    Column("ended", Double, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("cause", BigInteger),
    PrimaryKeyConstraint("number", "tried"),
    thin=True,
)
parcel = _table(
    "parcel",
    Column("number", _Whole, primary_key=True, autoincrement=False),
    Column("key", LargeBinary, nullable=False),
    Column("target", BigInteger, nullable=False),
    Column("numbers", Text, nullable=False),  # JSON
    Column("suffix", Text, nullable=False),
    Column("token", Text, nullable=False),
    Column("mapping", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # the bytes
    Column("about", LargeBinary, nullable=False),  # sealed: head and accounts
    _time("created"),
)
cause = _table(
    "cause",
    _id(),
    Column("name", LargeBinary, nullable=False, unique=True),
    *(_text(part) for part in ("stage", "reason", "row_name", "table_name", "target", "answer")),
    _time("first"),
    _flag("told"),  # to whom it concerns
)
junk = _table("junk", _id(), _time("at"), _text("target"), _text("reason"), _text("sha256"))
mapping_set = _table("mapping_set", _id(), _text("digest"), _time("since"))
audit = _table("audit", _id(), _time("at"), _text("who"), _text("act"), _text("detail"), _text("digest"))
audit_child = _table(  # the children whom an act was about
    "audit_child",
    Column("key", BigInteger, nullable=False),
    Column("audit", BigInteger, nullable=False),
    PrimaryKeyConstraint("key", "audit"),
    Index("audit_children", "audit"),
    thin=True,
)
fact = _table("fact", Column("name", Text, primary_key=True), _text("value"))


_partial(document, "document_unread", "link", "id", where="NOT done")
_partial(key, "key_merged", "alias", where="alias IS NOT NULL")
_partial(run, "run_open", "id", where="ended IS NULL")
_partial(run_item, "run_item_open", "number", where="state IN ('frozen', 'released')")
_partial(cause, "cause_new", "id", where="NOT told")
_partial(message, "message_line", "target", "state", "published", where="ended IS NULL")
_partial(message, "message_due", "due", where="state = 'waiting'")
_partial(message, "message_owner", "owner", where="state = 'sending'")
_partial(message, "message_parcel", "parcel", where="ended IS NULL AND parcel IS NOT NULL")
_partial(
    message, "message_cause", "cause", "key", "state", "number", "changed", where="ended IS NULL AND cause IS NOT NULL"
)
Index("message_child", message.c.key, message.c.target, message.c.number)
