#!/usr/bin/env bash
# What ./dev does, for the documents' shell blocks: the same commands with the binary that is being tested, and without
# building it again or running the tests inside the tests.
set -euo pipefail

command=${1:-help}
shift || true
case $command in
  sql | ingest | config | backends) exec hyprstream "$command" "$@" ;;
  serve)  # starts with these flags, and ends when it is told to
    ready=$(mktemp -u)
    env -u HYPRSTREAM_URL hyprstream serve "$@" --port 0 --ready-file "$ready" &
    server=$!
    while [ ! -s "$ready" ] && kill -0 $server 2>/dev/null; do read -r -t 0.02 <> <(:) || true; done
    kill -TERM $server
    wait $server
    ;;
  demo) HYPRSTREAM_BINARY=$(command -v hyprstream) exec python3 examples/demo/run.py --rate 0 "$@" ;;
  test | build | lint | format) "$(dirname "$(readlink -f "$0")")/../../dev" help | grep -q "^  $command " ;;
  *) echo "dev_stand_in: $command is not known to it" >&2; exit 1 ;;
esac
