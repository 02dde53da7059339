"""One module a format or product: `read` and `write`, pure. `hub.adapter.find` finds them; `hub` imports none."""
