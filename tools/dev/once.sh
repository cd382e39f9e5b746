# Things in the cache that are made once: under a lock, built aside, renamed when complete. Sourced by ./dev.

# make_once PATH WHAT COMMAND...: runs COMMAND... ASIDE, which makes the file or folder ASIDE, and renames it to PATH.
# Two runs at once: the second waits and uses what the first made. A run that dies leaves nothing at PATH; what it left
# aside is removed by the next.
make_once() {
  local path=$1 what=$2 folder lock
  shift 2
  [ -e "$path" ] && return
  folder=$(dirname "$path")
  mkdir -p "$folder"
  exec {lock}>"$folder/.lock"
  flock -n "$lock" || { say "Waiting for another ./dev that is making $what"; flock "$lock"; }
  if [ ! -e "$path" ]; then
    rm -rf --one-file-system "$folder"/*.aside
    say "Making $what, once per machine (log: $path.log)"
    # The lock stays with this shell: a daemon started by COMMAND must not hold it.
    if ! "$@" "$path.aside" >"$path.log" 2>&1 {lock}>&-; then
      tail -n 5 "$path.log" >&2
      rm -rf --one-file-system "$path.aside"
      die "Making $what failed; the whole log is $path.log"
    fi
    mv -T "$path.aside" "$path"
  fi
  exec {lock}>&-
}
