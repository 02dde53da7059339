"""What adapters share: documents as bytes, XML records, tables, JSON, and what an NHS number is. Knows no product."""

from hub.wire.document import Document
from hub.wire.saving import save

__all__ = ["Document", "save"]
