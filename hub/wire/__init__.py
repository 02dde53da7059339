"""What adapters share: documents as bytes, XML records, tables, JSON, and what an NHS number is. Knows no product."""

from hub.wire.document import Document, save

__all__ = ["Document", "save"]
