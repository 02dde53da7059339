"""A small council with a hub of its own, in one folder, and its operator's commands called as a person would."""

from __future__ import annotations

import atexit
import gc
import io
import os
import re
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from hub.adapter import Theirs, find
from hub.cli import main
from hub.connect import Connection
from hub.errors import Refused, Unavailable
from hub.mapping import load
from hub.message import Answer, Parcel, Sent
from hub.model import digest, encode
from hub.seal import Keyring, new_ring
from hub.store import Incoming, Store
from hub.wire import Document
from tests.stores import upgraded

ROOT = Path(__file__).resolve().parent.parent
INDEX = ROOT / "tests" / "samples" / "contactpoint" / "index.xml"
COMMAND = [sys.executable, "-c", "import sys; sys.argv[0] = 'ics-hub'; from hub.cli import main; main()"]
CANARY = "Zanzibarcanary"

TOML = """[hub]
store = "{store}"
queue = "{queue}"
keys = "keys.toml"

[links.index]
adapter = "contactpoint"
bad = "park"
connection = {{ kind = "folder", in = "in/index", settle = 0 }}

[links.ours]
adapter = "canonical"
connection = {{ kind = "folder", out = "out/ours" }}

[links.fussy]
adapter = "ssd"
connection = {{ kind = "tests.council.Fussy", mood = "mood" }}

[[routes]]
from = "index"
to = ["ours", "fussy"]

[limits]
disk = "1 MB"
"""


class Ran(NamedTuple):
    code: int
    out: str
    err: str


class Fussy:
    """A target that does as a file says: `refuse`, `away`, or takes everything when there is none."""

    records, parcels, limit, at_once, keeps_aside, promise = 1, 1, 5.0, None, False, "none"

    def __init__(self, connection: Connection) -> None:
        self.mood = connection.home / connection.settings["mood"]

    def _says(self) -> str:
        return self.mood.read_text("utf-8") if self.mood.exists() else ""

    def ready(self) -> None:
        if self._says() == "away":
            raise Unavailable("it does not answer", whole=True)

    def stage(self, parcel: Parcel) -> str:
        return ""

    def send(self, parcels: Sequence[Parcel]) -> list[Answer]:
        answers: dict[str, Answer] = {
            "refuse": Refused("it wants another form"),
            "away": Unavailable("it does not answer", whole=True),
            "later": Unavailable("it is busy with this one"),
        }
        return [answers.get(self._says(), Sent("receipt")) for _ in parcels]

    def discard(self, parcel: Parcel) -> None: ...

    def tidy(self, live: Callable[[str], bool]) -> int:
        return 0

    def close(self) -> None: ...


class Council:
    """Its folder, and what may be done there."""

    def __init__(self, folder: Path, *, store: str = "sqlite:///hub.db", queue: str = "local") -> None:
        self.folder, self.toml, self.keys = folder, folder / "hub.toml", folder / "keys.toml"
        self.toml.write_text(TOML.format(store=store, queue=queue), "utf-8")
        self.keys.write_text(new_ring("first"), "utf-8")
        self.keys.chmod(0o600)
        self.url = store.replace("///", f"///{folder}/") if store.startswith("sqlite") else store
        for name in ("in/index", "out/ours"):
            (folder / name).mkdir(parents=True)
        upgraded(self.url)

    @property
    def ring(self) -> Keyring:
        return Keyring.parse(self.keys.read_text("utf-8"))

    def call(self, *words: str | Path, environment: dict[str, str] | None = None) -> Ran:
        """Call ics-hub in the folder, in a process of its own: a fork of this one, which has everything imported."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            _, status = os.waitpid(self.begin(words, out.fileno(), err.fileno(), environment), 0)
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode())
        assert "Traceback" not in texts[1], texts[1]
        return Ran(os.waitstatus_to_exitcode(status), *texts)

    def begin(self, words: Sequence[str | Path], out: int, err: int, environment: dict[str, str] | None = None) -> int:
        """Call ics-hub so and do not wait: the id of its process, which writes to these files."""
        _ready()
        child = os.fork()
        if child == 0:
            terminal = {"NO_COLOR": "1", "COLUMNS": "110", "TERM": "dumb", **(environment or {})}
            self._be(["ics-hub", *map(str, words)], terminal, out, err)
        return child

    def _be(self, words: list[str], environment: dict[str, str], out: int, err: int) -> NoReturn:
        """The called process. Never comes back."""
        code: Any = 70
        try:
            os.dup2(out, 1)
            os.dup2(err, 2)
            sys.stdout, sys.stderr = (io.TextIOWrapper(io.FileIO(n, "w", closefd=False), "utf-8") for n in (1, 2))
            os.chdir(self.folder)
            os.environ.update(environment)
            sys.argv = words
            main()
        except SystemExit as error:
            code = error.code
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)

    def become(self, make: Callable[[Any], None]) -> None:
        """What `make` makes of a council as this one, done once in a process: later ones are copies of its folder."""
        done = _MADE.get(make)
        if done is None:
            make(self)
            _MADE[make] = shutil.copytree(self.folder, Path(_kept(), str(len(_MADE))))
        else:
            shutil.rmtree(self.folder)
            shutil.copytree(done, self.folder)

    def change(self, old: str, new: str) -> None:
        """Edit hub.toml."""
        text = self.toml.read_text("utf-8")
        assert old in text, old
        self.toml.write_text(text.replace(old, new), "utf-8")

    def drop(self, data: bytes, name: str = "index.xml") -> None:
        """A document arrives, whole at once."""
        part = self.folder / "in" / "index" / f"{name}.part"
        part.write_bytes(data)
        part.rename(part.with_suffix(""))

    def open(self) -> closing[Store]:
        """The store, as the hub opens it."""
        return closing(Store.open(self.url, self.ring))

    def keep(self, link: str = "index", targets: tuple[str, ...] = ("ours",)) -> list[int]:
        """Records of the sample kept and addressed, by the store alone; the numbers of their messages."""
        ring, mappings = self.ring, load("contactpoint")
        with self.open() as store:
            store.register([link], targets)
            worker = store.enlist("here", os.getpid())
            assert store.lease_source(link, worker)
            document = store.keep(link, f"a {time.monotonic_ns()}", Document.at(INDEX)).document
            batch = []
            for ordinal, theirs in enumerate(find("contactpoint").read(Document.at(INDEX))):
                assert isinstance(theirs, Theirs)
                child, kind = ring.name("child", link, theirs.id), theirs.kind
                record = mappings[kind].inward(theirs, link).record
                batch.append(Incoming(ordinal, child, kind, encode(record), digest(record), targets))
            taken = store.take(worker, link, document, 0, batch, done=True)
            store.dismiss(worker)
            return [message.number for message in taken.messages]


@cache
def _ready() -> None:
    """What calls have in common is done before the first of them."""
    from tests import haste  # here: hubs that are programs of their own import this module too

    haste.prepare()
    gc.collect()
    gc.freeze()  # or a fork would look through, and so copy, all that it shares with us


_MADE: dict[Callable[[Any], None], Path] = {}


@cache
def _kept() -> str:
    """A folder for as long as this process lives."""
    folder = tempfile.mkdtemp(prefix="hub-council-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def spoiled() -> bytes:
    """The sample with a marked value in every name and address, and in one child's date of birth."""
    text = INDEX.read_text("utf-8")
    for element in ("Given", "Family", "Line"):
        text, count = re.subn(f"<{element}>[^<]*<", f"<{element}>{CANARY}<", text)
        assert count, element
    return re.sub("<BirthDate>[^<]*<", f"<BirthDate>{CANARY}<", text, count=1).encode()
