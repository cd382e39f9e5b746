# ./dev test. Sourced by ./dev; all but check_test_words runs inside the test root.
#
# Every runner writes JUnit XML into build/results; tools/count_tests.py sums them into the last line.

check_test_words() {
  local word
  for word in "$@"; do
    case $word in -*) die "Unknown option: $word (./dev test takes words, see ./dev help)" ;; esac
  done
}

# The revision of the working copy, read outside the root: git may need folders that are not bound inside.
export_revision() {
  HYPRSTREAM_REVISION=$(git -C "$repo" rev-parse HEAD 2>/dev/null || echo 0000000000000000)
  export HYPRSTREAM_REVISION
}

# The first seed of every random suite: another one for each commit, the same one for each run of a commit.
export_seed() {
  export HYPRSTREAM_SEED=${HYPRSTREAM_SEED:-$((16#${HYPRSTREAM_REVISION:0:8}))}
  say "HYPRSTREAM_SEED=$HYPRSTREAM_SEED"
}

results=$repo/build/results

# A runner that fails without a failed test in its XML (a crash, nothing could be collected) is counted by its name here.
record() {  # name command...
  "${@:2}" || echo "$1" >>"$results/failed_runners"
}

run_ctest() {  # preset label
  local name=$1-$2 folder=$results/$1-$2 seconds_max=${HYPRSTREAM_LONG:+14400}
  mkdir -p "$folder"
  say "== $2 tests ($1)"
  record "$name" env GTEST_OUTPUT="xml:$folder/" GTEST_FILTER="*${filter:+$filter*}" GTEST_BRIEF=1 GTEST_COLOR=no \
    ctest --test-dir "$repo/build/$1" --label-regex "^$2\$" --no-tests=ignore --output-on-failure \
    --timeout "${seconds_max:-600}" --parallel "$(nproc)" --output-junit "$folder/ctest.junit" >"$folder/ctest.log" 2>&1
  # One line a binary, and everything that failed.
  grep -vE '^(Internal ctest|Test project|Label Time|    Start |Total Test|unit |$)' "$folder/ctest.log" >&2 || true
}

# Three run beside one another, most of them waiting for others' processes: files, whose tests share what they start, but of
# the scripts each test has its own.
run_pytest() {  # name paths...
  local name=$1 path paths=() unit=loadfile
  if [ "$name" = sql ]; then unit=load; fi
  for path in "${@:2}"; do if [ -e "$repo/tests/$path" ]; then paths+=("$repo/tests/$path"); fi; done
  if [ ${#paths[@]} = 0 ] || [ -z "$test_python" ]; then return; fi
  mkdir -p "$results/$name"
  say "== $name tests (Python)"
  record "$name" accept_empty "$test_python" -m pytest -q -p no:cacheprovider --rootdir "$repo/tests" \
    --numprocesses 3 --dist "$unit" --junitxml "$results/$name/pytest.xml" ${filter:+-k "$filter"} "${paths[@]}" >&2
}

# pytest says 5 when a filter leaves no test, which is no failure.
accept_empty() {
  local status=0
  "$@" || status=$?
  [ $status = 0 ] || [ $status = 5 ]
}

# The JDBC driver. Maven's first run fills the cache; later ones need no network.
run_jdbc() {
  if ! command -v mvn >/dev/null; then say "== JDBC tests: skipped, Maven is not here"; return; fi
  local mode=() options=(-q -B "-Dhyprstream.output=$repo/build/jdbc" "-Dhyprstream.results=$results/jdbc")
  local complete
  complete=$cache/maven/$(sha256sum <"$repo/tests/clients/jdbc/pom.xml" | cut -c1-12).complete
  [ -e "$complete" ] && mode=(-o)
  mkdir -p "$results/jdbc"
  say "== JDBC tests"
  (cd "$repo/tests/clients/jdbc" && record jdbc mvn "${mode[@]}" "${options[@]}" ${filter:+"-Dtest=*$filter*"} \
    test >"$results/jdbc/maven.log" 2>&1)
  if compgen -G "$results/jdbc/TEST-*.xml" >/dev/null; then touch "$complete"; fi
  grep -E '^\[ERROR\]' "$results/jdbc/maven.log" >&2 || true
}

# The Go clients, with the machine's toolchain (see bind_toolchains in root.sh).
run_go() {
  local go=/opt/go/bin/go
  [ -x "$go" ] || go=$(command -v go || true)
  if [ -z "$go" ]; then say "== Go client tests: skipped, the machine has no Go"; return; fi
  mkdir -p "$results/go"
  say "== Go client tests"
  record go go_tests "$go" >&2
}

go_tests() {  # go
  (set -o pipefail
    cd "$repo/tests/clients/go" &&
      GOMODCACHE=$cache/go/mod GOCACHE=$cache/go/build CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS=-buildvcs=false \
        "$1" test -count=1 -v ${filter:+-run "$filter"} ./... 2>&1 | python3 "$repo/tools/go_results.py" "$results/go/go.xml")
}

# The Rust client, likewise. Its first run on a machine compiles for two minutes of CPU: only where clients are asked for.
run_rust() {
  local cargo=/opt/rust/bin/cargo
  [ -x "$cargo" ] || cargo=$(command -v cargo || true)
  if [ -z "$cargo" ]; then say "== Rust client tests: skipped, the machine has no Rust"; return; fi
  mkdir -p "$results/rust"
  say "== Rust client tests"
  record rust rust_tests "$cargo" >&2
}

# Cargo's first run fills the cache; later ones need no network.
rust_tests() {  # cargo
  (set -o pipefail
    cd "$repo/tests/clients/rust" || exit
    export PATH=${1%/*}:$PATH CARGO_HOME=$cache/rust/home CARGO_TARGET_DIR=$cache/rust/target
    "$1" fetch --locked --offline --quiet 2>/dev/null || "$1" fetch --locked --quiet || exit
    "$1" test --locked --offline --quiet --no-run || exit
    "$1" test --locked --offline ${filter:+"$filter"} 2>&1 | python3 "$repo/tools/rust_results.py" "$results/rust/rust.xml")
}

sanitizer_tests() {  # preset
  say "== building ($1)"
  build "$1" unit_tests
  run_ctest "$1" unit
}

run_tests() {  # words, see ./dev help
  local word groups='' filter=''
  for word in "$@"; do
    case $word in
      unit | sql | integration | clients | asan | tsan) groups+=" $word" ;;
      long) export HYPRSTREAM_LONG=1 ;;
      *) filter=$word ;;
    esac
  done
  local all=
  if [ -z "$groups" ]; then
    all=1
    groups="unit sql integration clients"
    [ -n "$filter" ] || groups+=" asan tsan"
  fi
  export_seed
  rm -rf "$results"
  mkdir -p "$results"
  export PYTHONDONTWRITEBYTECODE=1 HYPRSTREAM_BUILD=$repo/build/release
  export HYPRSTREAM_BINARY=$HYPRSTREAM_BUILD/hyprstream
  case " $groups" in *" unit"* | *" sql"* | *" integration"* | *" clients"*) say "== building (release)"; build release ;; esac
  ensure_python
  ensure_maven
  for word in $groups; do
    case $word in
      unit) run_ctest release unit; run_ctest release fuzz ;;
      sql) run_ctest release sql; run_pytest sql sqllogic docs ;;
      integration) run_ctest release integration; run_pytest integration integration ;;
      clients) run_pytest clients clients; run_jdbc; run_go; [ -n "$all" ] || run_rust ;;
      *) sanitizer_tests "$word" ;;
    esac
  done
  python3 "$repo/tools/count_tests.py" "$results"
}
