"""hub.toml as typed settings: everything that is wrong with it is said at once, each mistake with its line.

`hub.config.build` makes a hub of them; it is not imported here, for a command that only asks the store must be quick.
"""

from __future__ import annotations

from hub.config.read import load
from hub.config.settings import Hours, Limits, LinkSettings, Notify, Route, Settings

__all__ = ["Hours", "Limits", "LinkSettings", "Notify", "Route", "Settings", "load"]
