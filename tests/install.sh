#!/usr/bin/env bash
# Sees to it that the tests can start a RabbitMQ and a PostgreSQL of their own. As root on Debian or Ubuntu it installs
# what is missing, without leaving a service running or a database made; else it prints the line that does, and exits 2.
set -euo pipefail
bash "$(dirname "$0")/peers.sh"

missing=()
[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || missing+=(rabbitmq-server)
newest=$(ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null | cut -d/ -f5 | sort -n | tail -1 || true)
[ "${newest:-0}" -ge 15 ] || missing+=(postgresql)
[ ${#missing[@]} -gt 0 ] || exit 0

line="apt-get install --no-install-recommends ${missing[*]}"
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "test: the tests start a RabbitMQ and a PostgreSQL (15 or newer) of their own, and this is missing: ${missing[*]}." >&2
  echo "test: on Debian or Ubuntu, as root: $line" >&2
  exit 2
fi

policy=/usr/sbin/policy-rc.d
settings=/etc/postgresql-common/createcluster.conf
made=""
put_back() {
  [ -z "$made" ] || rm -f "$policy"
  [ ! -f "$settings.before-tests" ] || mv "$settings.before-tests" "$settings"
}
trap put_back EXIT
trap 'exit 1' INT TERM

export DEBIAN_FRONTEND=noninteractive
install() {
  apt-get install --yes --quiet --no-install-recommends "$@" >"$log" 2>&1 || {
    apt-get update --quiet >>"$log" 2>&1 || true
    apt-get install --yes --quiet --no-install-recommends "$@" >>"$log" 2>&1
  } || {
    tail -20 "$log" >&2
    echo "test: that did not work; once mended: $line" >&2
    exit 2
  }
}
log=$(mktemp)
echo "test: installing ${missing[*]} (the tests start their own; no service is left running)"
if [ ! -e "$policy" ]; then
  # A fresh Debian starts what it installs, on the ports of the real thing.
  made=yes
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi
if [[ " ${missing[*]} " == *" postgresql "* ]]; then
  # This package asks the others whether to make a database at once.
  install postgresql-common
  if [ -f "$settings" ]; then
    cp -p "$settings" "$settings.before-tests"
    printf '\ncreate_main_cluster = false\n' >>"$settings"
  fi
fi
install "${missing[@]}"
rm -f "$log"
newest=$(ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null | cut -d/ -f5 | sort -n | tail -1 || true)
if [ "${newest:-0}" -lt 15 ]; then
  echo "test: this system's PostgreSQL is ${newest:-missing}, and 15 or newer is needed: see https://wiki.postgresql.org/wiki/Apt" >&2
  exit 2
fi
echo "test: installed ${missing[*]}"
