"""hub.toml as typed settings: everything that is wrong with it is said at once, each mistake with its line."""

from __future__ import annotations

from hub.config.build import build
from hub.config.read import load
from hub.config.settings import Hours, Limits, LinkSettings, Notify, Route, Settings

__all__ = ["Hours", "Limits", "LinkSettings", "Notify", "Route", "Settings", "build", "load"]
