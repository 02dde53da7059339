"""What adapters share: documents as bytes, XML records, tables and JSON. Knows no product and no meaning."""

from hub.wire.document import Document, save

__all__ = ["Document", "save"]
