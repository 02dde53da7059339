"""The fault test: everything is killed, cut and paused at every step, and an oracle judges what reached the targets.

`oracle` imports nothing of the hub. `sources` writes documents, `target` and `taker` are programs that receive,
`worker` is the hub with a hook that kills it (`nursery` forks workers), `person` replays, edits, sets aside and
restores until it is killed too, `driver` runs them all and does the damage of a `plan`, `rows` reads what the store
says became of each message, and `twins` are hubs broken on purpose, which the oracle must find out.
"""
