# The build root and the test root: Debian folders in the cache, made once per package list and entered with bubblewrap.
# Sourced by ./dev. Uses: repo, cache.

root_suite=forky
build_list=$repo/packaging/build-packages.txt
test_list=$repo/packaging/test-packages.txt

packages() { cat "$@" | sed -e 's/#.*//' -e '/^[[:space:]]*$/d'; }
list_hash() { { uname -m; packages "$@"; } | sha256sum | cut -c1-12; }

# True inside a root, and on a host that is itself such a system with every package of the lists present.
inside_root() {  # lists...
  [ -e /etc/hyprstream-root ] && return 0
  grep -qsE "^(VERSION_CODENAME|DEBIAN_CODENAME)=($root_suite|sid)$" /etc/os-release || return 1
  # shellcheck disable=SC2046
  dpkg-query -W -f='${Status}\n' $(packages "$@") 2>/dev/null | grep -c 'ok installed' |
    grep -qx "$(packages "$@" | wc -l)"
}

root_path() {  # build|test
  if [ "$1" = build ]; then echo "$cache/roots/$(list_hash "$build_list")-build"
  else echo "$cache/roots/$(list_hash "$build_list" "$test_list")-test"; fi
}

require_root_tools() {
  command -v mmdebstrap >/dev/null && command -v bwrap >/dev/null && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "Installing mmdebstrap and bubblewrap on this machine"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y mmdebstrap bubblewrap >/dev/null && return
  fi
  die "mmdebstrap and bubblewrap are missing: install both with your package manager (Debian, Ubuntu: sudo apt-get install mmdebstrap bubblewrap)"
}

# One line and exit when the kernel does not let this user enter a root.
require_namespaces() {
  bwrap --ro-bind / / true 2>/dev/null ||
    die "bubblewrap may not make namespaces here: run as root, allow unprivileged user namespaces, or use the Dockerfile (docker run needs --privileged)"
}

bootstrap() {  # lists... folder: a fresh root with the packages of the lists
  local folder=${!#} lists=("${@:1:$#-1}")
  local options=(--quiet --aptopt='Acquire::Check-Valid-Until "false"' --variant=apt
    --include="$(packages "${lists[@]}" | paste -sd,)")
  if [ "$(id -u)" = 0 ]; then
    mmdebstrap "${options[@]}" "$root_suite" "$folder"
  else  # a tar file keeps the files in this user's own name, so that the cache can be moved and deleted
    mkdir -p "$folder" && mmdebstrap --mode=unshare "${options[@]}" --format=tar "$root_suite" - |
      tar -x --no-same-owner --exclude='./dev/*' -C "$folder"
  fi && date -u +%F >"$folder/etc/hyprstream-root"
}

# The packages of the test list added to a copy of the build root. /proc is mounted because packages with daemons need
# it; the host's certificates are not bound, because Java's package writes beside them.
grow() {  # folder
  cp -a --reflink=auto "$(root_path build)" "$1" || return
  # shellcheck disable=SC2046
  DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    bwrap --die-with-parent --bind "$1" / --dev /dev --proc /proc --perms 1777 --tmpfs /tmp --tmpfs /run \
    --ro-bind /etc/resolv.conf /etc/resolv.conf --chdir / \
    sh -ec 'apt-get update -q && apt-get install -q -y --no-install-recommends "$@" && apt-get clean && rm -rf /var/lib/apt/lists/*' \
    sh $(packages "$test_list")
}

# Makes the root when it is missing.
ensure_root() {  # build|test
  local path
  path=$(root_path "$1")
  [ -d "$path" ] && return
  require_root_tools
  require_namespaces
  if [ "$1" = build ]; then
    make_once "$path" "the build root (about a minute, 1.2 GB)" bootstrap "$build_list"
  elif [ "$(id -u)" = 0 ]; then
    ensure_root build
    make_once "$path" "the test root (about two minutes, 3 GB)" grow
  else
    make_once "$path" "the test root (about three minutes, 3 GB)" bootstrap "$build_list" "$test_list"
  fi
}

# The machine's Go and Rust, for the clients' tests: the root has none, and their trees run wherever they are. Cargo's
# mirror settings are found in the topmost folder.
bind_toolchains() {
  local tree
  tree=$(command -v rustc >/dev/null && rustc --print sysroot 2>/dev/null || true)
  if [ -x "$tree/bin/cargo" ]; then
    bwrap_arguments+=(--ro-bind "$tree" /opt/rust --ro-bind-try "${CARGO_HOME:-$HOME/.cargo}/config.toml" /.cargo/config.toml)
  fi
  tree=$(command -v go >/dev/null && GOTOOLCHAIN=local go env GOROOT 2>/dev/null || true)
  if [ -x "$tree/bin/go" ]; then bwrap_arguments+=(--ro-bind "$tree" /opt/go); fi
}

# Arguments of bwrap, in the array `bwrap_arguments`. A sealed entry sees the repository, the cache and a /tmp of its
# own; an open one also the host's folders that are not the system's, at their own paths, for files named on a command
# line.
compose_bwrap() {  # build|test sealed|open
  local host
  bwrap_arguments=(--bind "$(root_path "$1")" / --dev /dev --proc /proc --tmpfs /run)
  [ -d /dev/shm ] && bwrap_arguments+=(--bind /dev/shm /dev/shm)
  if [ "$2" = open ]; then
    for host in /*; do
      case $host in
        /bin | /boot | /dev | /etc | /lib* | /lost+found | /proc | /run | /sbin | /sys | /usr | /var) ;;
        *) [ -d "$host" ] && [ ! -L "$host" ] && bwrap_arguments+=(--bind "$host" "$host") ;;
      esac
    done
  else
    private_tmp=$(mktemp -d "${TMPDIR:-/tmp}/hyprstream.XXXXXX")
    chmod 711 "$private_tmp"  # PostgreSQL's server runs as a user of its own
    bwrap_arguments+=(--bind "$private_tmp" /tmp --setenv HOME /tmp --setenv TMPDIR /tmp)
  fi
  if [ "$1" = test ]; then bind_toolchains; fi
  # Package clients inside use the machine's resolver, certificates and mirror settings.
  bwrap_arguments+=(--ro-bind /etc/resolv.conf /etc/resolv.conf --ro-bind-try /etc/hosts /etc/hosts
    --ro-bind-try /etc/ssl/certs /etc/ssl/certs --ro-bind-try /etc/pip.conf /etc/pip.conf
    --bind "$repo" "$repo" --bind "$cache" "$cache"
    --setenv HYPRSTREAM_CACHE "$cache" --setenv PATH /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
}

# Runs a command in a root, or directly when we are in one already.
enter() {  # build|test sealed|open command...
  local kind=$1 view=$2 status=0 lists=("$build_list")
  shift 2
  [ "$kind" = test ] && lists+=("$test_list")
  if inside_root "${lists[@]}"; then "$@"; return; fi
  ensure_root "$kind"
  compose_bwrap "$kind" "$view"
  [ "$view" = sealed ] && trap 'rm -rf "$private_tmp"' EXIT
  bwrap "${bwrap_arguments[@]}" --chdir "$PWD" "$@" || status=$?
  if [ "$view" = sealed ]; then rm -rf "$private_tmp"; trap - EXIT; fi
  return $status
}
