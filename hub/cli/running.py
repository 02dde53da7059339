"""`ics-hub run`: carry records until told to stop."""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

CONFIG = Annotated[Path, typer.Option("--config", "-c", envvar="ICS_HUB_CONFIG", help="The hub's file.")]


def run(
    config: CONFIG = Path("hub.toml"),
    once: Annotated[bool, typer.Option("--once", help="End when nothing more can be done now.")] = False,
    json_logs: Annotated[bool, typer.Option("--json", help="Logs as JSON, a line each.")] = False,
) -> None:
    """Carry records from every source to every target that is owed them."""
    from hub.config import load
    from hub.config.build import build
    from hub.pipeline import pair

    logs(json_logs)
    settings = load(config)
    hub = build(settings)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, lambda *_: hub.stop())
    raise typer.Exit(hub.run(once=once) if once or settings.processes == 1 else pair.run(hub))


def logs(as_json: bool) -> None:
    """Structured logs on stderr: ids of ours, names of links and fields; never a value of a record."""
    import structlog

    last: Any = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


__all__ = ["CONFIG", "logs", "run"]
