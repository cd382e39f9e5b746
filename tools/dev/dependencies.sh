# What does not come from Debian, all of it in the cache and keyed by what pins it: ADBC's driver manager and drivers,
# the Python packages of the tests, Java's trust store for Maven. Sourced by ./dev; runs inside a root.

adbc_requirements=("$repo/third_party/adbc/requirements.txt" "$repo/third_party/adbc/requirements-sdist.txt")
adbc_path() { echo "$cache/adbc/$(cat "${adbc_requirements[@]}" | sha256sum | cut -c1-12)-$(uname -m)"; }

# driver_manager/ holds the unpacked source of the driver manager, drivers/ the shared libraries of the drivers.
fetch_adbc() {  # folder
  mkdir -p "$1/download" "$1/drivers" &&
    python3 -m pip download --quiet --no-deps --only-binary :all: --require-hashes -r "${adbc_requirements[0]}" -d "$1/download" &&
    python3 -m pip download --quiet --no-deps --no-binary adbc-driver-manager --require-hashes -r "${adbc_requirements[1]}" -d "$1/download" &&
    unpack_adbc "$1" && rm -rf "$1/download"
}

unpack_adbc() {  # folder
  local wheel
  for wheel in "$1"/download/*.whl; do unzip -q -j -o "$wheel" '*.so' -d "$1/drivers" || return; done
  tar -xzf "$1"/download/adbc_driver_manager-*.tar.gz -C "$1" && mv "$1"/adbc_driver_manager-* "$1/driver_manager"
}

ensure_adbc() {
  make_once "$(adbc_path)" "the ADBC driver manager and drivers (130 MB)" fetch_adbc
  export HYPRSTREAM_ADBC_DRIVERS
  HYPRSTREAM_ADBC_DRIVERS=$(adbc_path)/drivers
}

python_requirements=$repo/tests/clients/python/requirements.txt

make_venv() {  # folder of the finished environment, file that says it is complete; a venv cannot be renamed
  rm -rf "$1" && python3 -m venv "$1" && "$1/bin/pip" install --quiet -r "$python_requirements" && touch "$2"
}

# Leaves the interpreter's path in test_python; empty when no test needs one.
ensure_python() {
  local key
  test_python=
  [ -f "$python_requirements" ] || return 0
  key=$({ uname -m; python3 --version; cat "$python_requirements"; } | sha256sum | cut -c1-12)
  make_once "$cache/python/$key.complete" "the Python environment of the tests (a minute)" make_venv "$cache/python/$key"
  test_python=$cache/python/$key/bin/python
}

# Java reads no PEM files: the machine's certificates become a key store that Maven is pointed at.
make_java_trust() {  # file
  openssl pkcs12 -export -nokeys -in /etc/ssl/certs/ca-certificates.crt -jdktrust anyExtendedKeyUsage \
    -passout pass:changeit -out "$1"
}

ensure_maven() {
  local store
  command -v mvn >/dev/null || return 0
  store=$cache/java/$(sha256sum </etc/ssl/certs/ca-certificates.crt | cut -c1-12).p12
  make_once "$store" "Java's copy of the machine's certificates" make_java_trust
  export HYPRSTREAM_MAVEN_REPOSITORY=$cache/maven
  export MAVEN_ARGS="-Dmaven.repo.local=$cache/maven"
  export MAVEN_OPTS="-Djavax.net.ssl.trustStore=$store -Djavax.net.ssl.trustStoreType=PKCS12 -Djavax.net.ssl.trustStorePassword=changeit"
}
