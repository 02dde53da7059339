"""A private RabbitMQ node and a private PostgreSQL cluster for tests: on free ports, in folders of their own, killable.

Outside pytest: `with Rabbit() as rabbit, Postgres() as postgres: ...`. Neither touches a service of the machine, and
both end with the process that started them, however that ends. A node takes 9 to 17 s to start, a cluster about one.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

INSTALL = (
    "is not installed, and the tests start their own: run 'make test' as root once, or: "
    "apt-get install --no-install-recommends rabbitmq-server postgresql"
)
OLDEST = 15
"""The oldest major version of PostgreSQL that the store is for."""
SPARE = 6
"""Virtual hosts made at once: each call of rabbitmqctl starts an Erlang of its own, which takes a second or more."""
_VHOSTS = """[begin ok = rabbit_vhost:add(V, <<"tests">>),
    All = <<".*">>, ok = rabbit_auth_backend_internal:set_permissions(<<"guest">>, V, All, All, All, <<"tests">>)
    end || V <- [%s]]."""


class NodeError(Exception):
    """A node is not installed, or did not start; says what to do."""


def free_port() -> int:
    """A port nobody listens on, below the range that connections take theirs from.

    A client that tries again and again to reach a port of that range while its server is down connects to itself one
    day, and the server then cannot come back.
    """
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as tried, contextlib.suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return port


def until(true: Callable[[], object], seconds: float, what: Callable[[], str] | str) -> None:
    """Waits for something; NodeError, which says what, when it does not come."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise NodeError(what if isinstance(what, str) else what())
        time.sleep(0.05)


def reachable(port: int) -> bool:
    """Whether something listens there."""
    with socket.socket() as tried:
        tried.settimeout(1)
        return tried.connect_ex(("127.0.0.1", port)) == 0


class Group:
    """A process in a group of its own, killed whole when it is ended, or with its folder when this process is gone."""

    def __init__(self, command: list[str], *, env: Mapping[str, str], cwd: Path, output: Path) -> None:
        with output.open("ab") as out:
            self.process = subprocess.Popen(
                command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )
        # A watcher whose standard input ends with us: PR_SET_PDEATHSIG would not reach the children of a shell.
        self._watcher = subprocess.Popen(
            ["sh", "-c", 'read -r _; kill -9 "$1"; sleep 1; rm -rf "$2"', "watch", str(-self.process.pid), str(cwd)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def running(self) -> bool:
        return self.process.poll() is None

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._watcher.kill()
        self._watcher.wait()
        if self._watcher.stdin:
            self._watcher.stdin.close()


class _Node:
    """What both have: a folder of their own, and an end."""

    def __init__(self, prefix: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=prefix))
        atexit.register(self.close)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def start(self) -> None:
        raise NotImplementedError

    def kill(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Ends it, at once since nothing is kept, and removes its folder; may be called twice."""
        atexit.unregister(self.close)
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class Rabbit(_Node):
    """A RabbitMQ node. `url` is that of its default virtual host; `vhost()` makes a fresh one, for isolation."""

    def __init__(self) -> None:
        self.bin = Path("/usr/lib/rabbitmq/bin")
        epmd = [*Path("/usr/lib/erlang").glob("erts-*/bin/epmd"), *map(Path, filter(None, [shutil.which("epmd")]))]
        if not (self.bin / "rabbitmq-server").exists() or not epmd:
            raise NodeError(f"RabbitMQ {INSTALL}")
        super().__init__("hub-rabbit-")
        self.port = free_port()
        self._epmd_port, self._epmd = free_port(), str(epmd[0])
        self._groups: list[Group] = []
        self._count = 0
        self._spare: list[str] = []
        self._env = self._environment()

    def _environment(self) -> dict[str, str]:
        folder = self.folder
        (folder / "plugins").write_text("[].\n")
        (folder / "rabbitmq.conf").write_text("")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ_", "ERL_"))}
        return kept | {
            "HOME": str(folder),  # the cookie lies there
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"hub{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_BASE": str(folder),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "env"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            # Schedulers that wait busily take the time of those they wait for on a small machine.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none"
            ),
        }

    @property
    def url(self) -> str:
        return self.url_of("%2F")

    def url_of(self, vhost: str, user: str = "guest", password: str = "guest") -> str:
        """The URL of a virtual host for a user."""
        return f"amqp://{user}:{password}@127.0.0.1:{self.port}/{vhost}"

    @property
    def running(self) -> bool:
        return bool(self._groups) and self._groups[-1].running()

    @property
    def files(self) -> Path:
        """The folder that holds what the broker keeps on disk."""
        return self.folder / "mnesia"

    def start(self) -> None:
        """Starts it, again on the same port with what it kept, and returns when it has started whole."""
        if self.running:
            return
        self._end()
        output = self.folder / f"output-{self._count}"
        self._count += 1
        (self.folder / "pid").unlink(missing_ok=True)
        # An epmd of our own, or the node starts one that outlives it.
        epmd = [self._epmd, "-port", str(self._epmd_port), "-address", "127.0.0.1"]
        self._groups = [Group(epmd, env=self._env, cwd=self.folder, output=self.folder / "epmd")]
        until(lambda: reachable(self._epmd_port), 30, "the tests' epmd did not start")
        server = Group([str(self.bin / "rabbitmq-server")], env=self._env, cwd=self.folder, output=output)
        self._groups.append(server)
        # Not the port: it opens before the boot ends, and a SIGTERM between the two is swallowed.
        said = partial(_said, "RabbitMQ node", output)
        until(lambda: b" completed with " in output.read_bytes() or not server.running(), 120, said)
        if not server.running():
            raise NodeError(said())

    def beam(self) -> int:
        """The process id of the Erlang machine; what Popen started is a shell."""
        return int((self.folder / "pid").read_text())

    def kill(self) -> None:
        """kill -9: nothing is written or said any more."""
        with contextlib.suppress(ProcessLookupError, FileNotFoundError, ValueError):
            os.kill(self.beam(), signal.SIGKILL)
        self._end()

    def stop(self) -> None:
        """Ends it in order, by force after half a minute."""
        if self.running:
            with contextlib.suppress(ProcessLookupError, FileNotFoundError, ValueError):
                os.kill(self.beam(), signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._groups[-1].process.wait(30)
        self._end()

    def restart(self) -> None:
        """kill -9, then up again on the same port."""
        self.kill()
        self.start()

    def _end(self) -> None:
        for group in reversed(self._groups):
            group.end()
        self._groups = []

    def ctl(self, *arguments: str) -> str:
        """What `rabbitmqctl` says; NodeError when it fails. It takes one to three seconds."""
        command = [str(self.bin / "rabbitmqctl"), "--quiet", *arguments]
        ran = subprocess.run(
            command, env=self._env, cwd=self.folder, capture_output=True, text=True, check=False, timeout=120
        )
        if ran.returncode:
            raise NodeError(f"rabbitmqctl {arguments[0]}: {ran.stdout[-500:]}{ran.stderr[-1500:]}")
        return ran.stdout

    def vhost(self, name: str = "") -> str:
        """The URL of a fresh virtual host, in which `guest` may do all."""
        if not name and not self._spare:
            self._spare = [f"test-{os.urandom(4).hex()}" for _ in range(SPARE)]
            self.ctl("eval", _VHOSTS % ", ".join(f'<<"{one}">>' for one in self._spare))
        if not name:
            return self.url_of(self._spare.pop())
        self.ctl("add_vhost", name)
        self.ctl("set_permissions", "-p", name, "guest", ".*", ".*", ".*")
        return self.url_of(name)

    def user(self, name: str, password: str, vhost: str, allowed: tuple[str, str, str] = (".*", ".*", ".*")) -> str:
        """The URL for a new user with these permissions (configure, write, read) in a virtual host."""
        self.ctl("add_user", name, password)
        self.ctl("set_permissions", "-p", vhost, name, *allowed)
        return self.url_of(vhost.replace("/", "%2F"), name, password)


class Postgres(_Node):
    """A PostgreSQL cluster. `database()` makes a fresh, empty database and gives its URL."""

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        found = {int(path.parts[4]): path for path in Path("/usr/lib/postgresql").glob("[0-9][0-9]/bin")}
        found = {version: path for version, path in found.items() if (path / "initdb").exists()}
        if max(found, default=0) < OLDEST:
            raise NodeError(f"PostgreSQL {OLDEST} or newer {INSTALL}")
        self.bin = found[max(found)]
        super().__init__("hub-postgres-")
        self.data, self.port = self.folder / "data", free_port()
        told = {"port": str(self.port), "listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
        self._settings = told | dict(settings or {})
        self._group: Group | None = None
        # initdb refuses to run as root.
        self._as = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        self._env = kept | {"HOME": str(self.folder), "LC_ALL": "C.UTF-8"}

    @property
    def running(self) -> bool:
        return self._group is not None and self._group.running()

    @property
    def files(self) -> Path:
        """The folder that holds what the database keeps on disk."""
        return self.data

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def database(self) -> str:
        """The URL of a fresh, empty database."""
        name = f"test_{os.urandom(4).hex()}"
        self.sql(f"CREATE DATABASE {name}")
        return self.url(name)

    def sql(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Runs one statement, as the cluster's superuser, outside a transaction; its rows."""
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            ran = connection.execute(statement)
            return ran.fetchall() if ran.description else []

    def start(self) -> None:
        """Starts it, again on the same port with what it kept, and returns when it answers."""
        if self.running:
            return
        self._end()
        if not self.data.exists():
            self._create()
        options = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        command = [*self._as, str(self.bin / "postgres"), "-D", str(self.data), *options]
        output = self.folder / "output"
        self._group = Group(command, env=self._env, cwd=self.folder, output=output)
        said = partial(_said, "PostgreSQL", output)
        until(lambda: self._answers() or not self.running, 120, said)
        if not self.running:
            raise NodeError(said())

    def _create(self) -> None:
        if self._as:
            shutil.chown(self.folder, "postgres", "postgres")
        initdb = [*self._as, str(self.bin / "initdb"), "-D", str(self.data), "-U", "postgres", "-A", "trust"]
        command = [*initdb, "-E", "UTF8", "--no-sync"]
        ran = subprocess.run(command, env=self._env, cwd=self.folder, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise NodeError(f"initdb failed: {ran.stderr[-2000:]}")

    def _answers(self) -> bool:
        command = [str(self.bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, env=self._env, check=False).returncode == 0

    def kill(self) -> None:
        """kill -9 of the server and all its processes: what was not committed is gone."""
        if self._group is not None and self.running:
            os.kill(self._group.pid, signal.SIGSTOP)  # else it begins to recover what it sees dying
            for pid in _children(self._group.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._end()

    def stop(self, *, immediate: bool = True) -> None:
        """Ends it: at once and without a last checkpoint, or as it does when a machine is shut down."""
        if self._group is not None and self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._group.pid, signal.SIGQUIT if immediate else signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._group.process.wait(30)
        self._end()

    def restart(self) -> None:
        """kill -9, then up again on the same port."""
        self.kill()
        self.start()

    def cut(self, database: str) -> int:
        """Ends every connection to a database, at the server; how many there were."""
        told = self.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")
        return len(told)

    def _end(self) -> None:
        if self._group is not None:
            self._group.end()
        self._group = None


def _said(node: str, output: Path) -> str:
    return f"the tests' {node} did not start: {output.read_bytes()[-2000:].decode('utf-8', 'replace')}"


def _children(pid: int) -> list[int]:
    """The processes that one started and that still live."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            told = re.match(r"(\d+) \(.*\) \S (\d+)", stat.read_text("utf-8", "replace"), re.DOTALL)
            if told and int(told[2]) == pid:
                found.append(int(told[1]))
    return found


__all__ = ["NodeError", "Postgres", "Rabbit", "free_port", "until"]
