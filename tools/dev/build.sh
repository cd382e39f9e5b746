# Configuring and compiling, and scripts that run what was built. Sourced by ./dev; runs inside a root.

configure() {  # preset
  ensure_adbc
  local log=$repo/build/$1/configure.log
  mkdir -p "$repo/build/$1"
  (cd "$repo" && cmake --preset "$1" -DHYPRSTREAM_CACHE="$cache" -DHYPRSTREAM_ADBC_DIR="$(adbc_path)" >"$log" 2>&1) ||
    { grep -A 20 'CMake Error' "$log" >&2 || tail "$log" >&2; die "CMake failed; the whole log is $log"; }
}

build() {  # preset [ninja targets...]
  case $1 in release | debug | asan | tsan) ;; *) die "Unknown preset: $1 (release, debug, asan, tsan)" ;; esac
  configure "$1"
  ninja -C "$repo/build/$1" -j "$(nproc)" --quiet "${@:2}"
}

# A Python script of the repository, with what it needs to find the binary.
run_script() {  # path under the repository, arguments...
  local script=$repo/$1
  shift
  [ -f "$script" ] || die "${script#"$repo"/} does not exist yet"
  ensure_python
  ensure_adbc
  HYPRSTREAM_BINARY=$repo/build/release/hyprstream HYPRSTREAM_BUILD=$repo/build/release \
    "${test_python:-python3}" "$script" "$@"
}
