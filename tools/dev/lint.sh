# ./dev lint and ./dev format. Sourced by ./dev; runs inside the test root, where clang is.

# Files of the repository that exist, tracked or new.
sources() {  # patterns...
  (cd "$repo" && git ls-files --cached --others --exclude-standard -- "$@" | sort -u |
    while read -r file; do [ -f "$file" ] && echo "$file"; done)
}

check() {  # what command...
  local status=0
  say "== $1"
  "${@:2}" || status=1
  [ $status = 0 ] || lint_failed+=("$1")
}

# Names the files that clang-format would change.
formatted() {  # files...
  clang-format --dry-run -Werror --ferror-limit=1 "$@" 2>&1 | sed -n 's/^\(.*\):[0-9]*:[0-9]*: error: code should be.*/\1/p' |
    sort -u | { ! grep .; }
}

lint() {  # name parts, for clang-tidy only
  local files all
  lint_failed=()
  cd "$repo"
  mapfile -t files < <(sources '*.cc' '*.h')
  mapfile -t all < <(sources)
  check "format (./dev format repairs it)" formatted "${files[@]}"
  check floors python3 tools/floors.py
  check style python3 tools/style.py "${all[@]}"
  configure release
  check "thread safety and clang-tidy" python3 tools/tidy.py build/release "$cache/lint" "$@"
  [ ${#lint_failed[@]} = 0 ] || die "lint found something in: ${lint_failed[*]}"
  say "lint: clean"
}

format() {
  cd "$repo"
  sources '*.cc' '*.h' | xargs clang-format -i
}
