#!/bin/sh
# The hub's commands for those who run it, with its file and its passwords. Install it as /usr/local/bin/ics-hub.
set -e
if [ -r /etc/ics-hub/secrets.env ]; then
  set -a
  . /etc/ics-hub/secrets.env
  set +a
fi
ICS_HUB_CONFIG=${ICS_HUB_CONFIG:-/etc/ics-hub/hub.toml}
export ICS_HUB_CONFIG
exec /opt/ics-hub/bin/ics-hub "$@"
