"""What one check found."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARN, FAIL = "ok", "warn", "fail"


@dataclass(frozen=True)
class Result:
    """check: its name. state: `ok`, `warn`, or `fail`: the hub does not work, or loses what it promises.

    said: what is so, in one line; todo: what to do about it. No value of a record, no password.
    """

    check: str
    state: str
    said: str
    todo: str = ""


def ok(check: str, said: str) -> Result:
    """All is well."""
    return Result(check, OK, said)


def warn(check: str, said: str, todo: str) -> Result:
    """It works, and somebody should look."""
    return Result(check, WARN, said, todo)


def fail(check: str, said: str, todo: str) -> Result:
    """It does not work until somebody does something."""
    return Result(check, FAIL, said, todo)


__all__ = ["FAIL", "OK", "WARN", "Result", "fail", "ok", "warn"]
