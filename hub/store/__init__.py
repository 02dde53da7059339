"""Everything that must survive: documents, records, messages, who has them, and what became of them.

The queue carries, the store decides. `Store` is the way in; the modules behind it each own one of the flow's steps.
"""

from hub.store.acts import HUB, Acted, Choice, Chosen, Due, Newest, Run, RunItem, Standing
from hub.store.database import Hook
from hub.store.facts import (
    LEASE,
    Attempt,
    Bears,
    CauseRow,
    Claim,
    Claimed,
    CutRow,
    Incoming,
    Kept,
    LeaseLost,
    Outcome,
    Purged,
    SourceStatus,
    Status,
    StoreDown,
    Swept,
    Taken,
    TargetStatus,
    Trace,
    Unread,
    WorkerStatus,
)
from hub.store.migrations import upgrade, version
from hub.store.store import Store
from hub.store.take import Batch
from hub.store.told import Held, Known

__all__ = [
    "HUB",
    "LEASE",
    "Acted",
    "Attempt",
    "Batch",
    "Bears",
    "CauseRow",
    "Choice",
    "Chosen",
    "Claim",
    "Claimed",
    "CutRow",
    "Due",
    "Held",
    "Hook",
    "Incoming",
    "Kept",
    "Known",
    "LeaseLost",
    "Newest",
    "Outcome",
    "Purged",
    "Run",
    "RunItem",
    "SourceStatus",
    "Standing",
    "Status",
    "Store",
    "StoreDown",
    "Swept",
    "Taken",
    "TargetStatus",
    "Trace",
    "Unread",
    "WorkerStatus",
    "upgrade",
    "version",
]
