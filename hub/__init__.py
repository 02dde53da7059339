"""The data-exchange hub: one shared record between children's social care, index, early-help and health systems."""
