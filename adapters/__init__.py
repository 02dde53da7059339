"""One module for each format or product: `read` and `write`, pure. Found by `hub.adapter.find`, never imported by `hub`."""
