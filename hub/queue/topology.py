"""What the hub wants of a broker: its address with our limits, the exchange and queues, and what to say of a refusal.

One direct exchange (`hub`) and one quorum queue a target (`hub.<target>`), bound by the target's name; `hub.dead` for
bytes that are no message of ours. Quorum queues keep what they confirmed through the loss of a node; delivery limits,
TTLs and dead-letter policies must not be set on them, though the store would mend what they lose.

The address is a URL as pika reads it: `amqp://user:password@host:5672/vhost`, or `amqps://…` for TLS, which checks the
broker's certificate against the system's authorities. An authority of one's own goes into the query, quoted for a URL:
`?ssl_options={'cafile': '/etc/ics-hub/ca.pem'}`, with `'certfile'` and `'keyfile'` where the broker wants a certificate
of ours. `heartbeat`, `socket_timeout`, `blocked_connection_timeout` and others may be set there too.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pika  # type: ignore[import-untyped]
from pika import exceptions

from hub.errors import DeclarationError

LIMITS = {"heartbeat": 30, "blocked_connection_timeout": 300, "socket_timeout": 5, "stack_timeout": 10}
"""Seconds, where the address does not say otherwise."""
QUORUM = {"x-queue-type": "quorum"}
DEAD = "dead"
MENDED = "the hub tries again by itself"
PATIENCE = 10.0
"""Seconds after which a queue counts as one that does not answer. One that was made in the last seconds before its
broker was killed may never again have a leader (measured on 3.10, with one node), while all others work."""


@dataclass(frozen=True)
class Names:
    """What the exchange and the queues are called under a prefix."""

    prefix: str = "hub"

    @property
    def exchange(self) -> str:
        """The direct exchange that all goes through."""
        return self.prefix

    @property
    def dead(self) -> str:
        """The queue of what cannot be decoded; its routing key, too, which no target's name can be (the dot)."""
        return self.queue(DEAD)

    def queue(self, target: str) -> str:
        """The queue of a target."""
        return f"{self.prefix}.{target}"

    def key(self, target: str) -> str:
        """The routing key of a target; of DEAD one that no target has."""
        return self.dead if target == DEAD else target


def read_address(url: str, role: str) -> Any:
    """Connection parameters of an address. DeclarationError when it is none, without its words: it holds a password."""
    place = "the queue's address"
    try:
        parameters = pika.URLParameters(url)
        told = parse_qs(urlsplit(url).query)
    except OSError as error:
        file = error.filename or "the file of its ssl_options"
        raise DeclarationError(f"{file} cannot be read: {error.strerror}", place=place) from None
    except Exception:  # pika answers a bad address with many kinds, and their words may hold the password
        raise DeclarationError("not an address like amqps://user:password@host/vhost", place=place) from None
    for name, seconds in LIMITS.items():
        if name not in told:
            setattr(parameters, name, seconds)
    parameters.connection_attempts = 1
    parameters.client_properties = {"connection_name": f"ics-hub {role} {socket.gethostname()}:{os.getpid()}"}
    return parameters


def explain(error: BaseException | None, parameters: Any) -> str:
    """Why there is no connection, in one line without credentials."""
    while True:  # pika wraps the cause in one or two of its own
        inner = getattr(error, "exceptions", None) or (getattr(error, "exception", None),)
        args = getattr(error, "args", ())
        cause = inner[-1] or (args[0] if args and isinstance(args[0], BaseException) else None)
        if cause is None:
            break
        error = cause
    at = f"{parameters.host}:{parameters.port}"
    return f"{_reason(error, at, parameters.virtual_host)}; {MENDED}"


def declare(
    connection: Any, names: Names, target: str, done: Callable[[Any], None], closed: Callable[[str], None]
) -> None:
    """Makes sure of the exchange, a target's queue and its binding, on a channel of its own.

    `done` gets the channel, still open. `closed`, whenever the channel closes, why: "" for what is not the queue's.
    """
    queue = names.queue(target)

    def on_close(_: Any, error: BaseException) -> None:
        closed(refusal(error, queue) if isinstance(error, exceptions.ChannelClosedByBroker) else "")

    def on_open(channel: Any) -> None:
        def bind(_: Any) -> None:
            channel.queue_bind(queue, names.exchange, names.key(target), callback=lambda _: done(channel))

        def make(_: Any) -> None:
            channel.queue_declare(queue, durable=True, arguments=QUORUM, callback=bind)

        channel.add_on_close_callback(on_close)
        channel.exchange_declare(names.exchange, "direct", durable=True, callback=make)

    connection.channel(on_open_callback=on_open)


def _reason(error: BaseException | None, at: str, vhost: str) -> str:
    code = getattr(error, "reply_code", 0)
    match error:
        case exceptions.ProbableAuthenticationError() | exceptions.AuthenticationError():
            return f"the broker at {at} refuses the user or the password of the queue's address"
        case exceptions.ProbableAccessDeniedError() | exceptions.ConnectionClosed() if code in (0, 530):
            return f"the broker at {at} does not let this user use the virtual host {vhost}, or there is none"
        case exceptions.ConnectionClosed() if code == 403:
            return f"the broker at {at} refuses the user or the password of the queue's address"
        case exceptions.ConnectionClosed():
            return f"the broker at {at} closed the connection (code {code})"
        case ssl.SSLCertVerificationError():
            return f"TLS with the broker at {at} failed: {error.verify_message}"
        case ssl.SSLError():
            return f"TLS with the broker at {at} failed ({error.reason or 'no reason given'}): is it its TLS port?"
        case exceptions.IncompatibleProtocolError():
            return f"what listens at {at} does not speak AMQP as asked: amqp:// is for a plain port, amqps:// for TLS"
        case exceptions.ConnectionBlockedTimeout():
            return f"the broker at {at} was blocked by an alarm for too long: see its disk and memory"
        case exceptions.AMQPHeartbeatTimeout():
            return f"the broker at {at} was silent for too long"
        case socket.gaierror():
            return f"the broker's host in {at} is not known: no such name"
        case ConnectionRefusedError():
            return f"nothing listens at {at}: is the broker running?"
        case TimeoutError():
            return f"the broker at {at} does not answer"
        case OSError():
            return f"the broker at {at} cannot be reached: {os.strerror(error.errno) if error.errno else 'no reason'}"
        case _:
            return f"the connection to the broker at {at} was lost"


def refusal(error: BaseException, queue: str) -> str:
    """Why a queue cannot be used, in one line that names it."""
    code, text = getattr(error, "reply_code", 0), str(getattr(error, "reply_text", ""))
    which = re.search(r"inequivalent arg '([\w-]+)' for (queue|exchange) '([^']*)'", text)
    if code == 406 and which:
        argument, kind, name = which.groups()
        return (
            f"{kind} {name} exists with other arguments ({argument}): delete it once it is empty, "
            f"and the hub makes it anew; {MENDED}"
        )
    if code == 403:
        return f"queue {queue}: this user has no permission on it: allow configure, write and read; {MENDED}"
    if code == 405:
        return f"queue {queue} is held by another connection alone; {MENDED}"
    if code == 404:
        return f"queue {queue} is not there or has no node that serves it now; {MENDED}"
    return f"queue {queue} cannot be used now (code {code}); {MENDED}"


def silence(queue: str) -> str:
    """What to say of a queue that does not answer."""
    return f"queue {queue} does not answer: if it stays so, see the broker's log, and delete it; {MENDED}"


__all__ = ["DEAD", "MENDED", "PATIENCE", "QUORUM", "Names", "declare", "explain", "read_address", "refusal", "silence"]
