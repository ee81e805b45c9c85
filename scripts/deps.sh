#!/usr/bin/env bash
# Installs all that building, running and testing needs: Debian packages, then the npm packages of
# package-lock.json. Run again it asks dpkg and a stamp file and is done in well under a second.
#
# Works as root, or as a user with sudo. NO_APT=1 and NO_NPM=1 leave out one half.
set -euo pipefail
cd "$(dirname "$0")/.."

build_packages=(
  g++ cmake ninja-build pkg-config ccache git ca-certificates
  libgrpc++-dev libgrpc-dev protobuf-compiler-grpc protobuf-compiler libprotobuf-dev libabsl-dev
  libboost1.81-dev libboost-json1.81-dev
  libhiredis-dev prometheus-cpp-dev libcivetweb-dev
  libssl-dev zlib1g-dev libcurl4-openssl-dev libc-ares-dev libre2-dev
)
test_packages=(
  libgtest-dev libgmock-dev libbenchmark-dev
  clang-14 libclang-rt-14-dev llvm-14 clang-format-14 clang-tidy-14
  redis-server redis-tools
  python3 python3-socketio python3-aiohttp python3-websockets python3-redis
  python3-grpcio python3-protobuf python3-yaml
  shellcheck chromium curl
  haproxy docker-compose prometheus python3-jsonschema
)

fail() {
  echo "deps: $*" >&2
  exit 1
}

installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null || true)" = installed ]
}

# Prints those of its arguments that are not installed; one dpkg-query for all of them.
missing_of() {
  local have
  have=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null || true)
  local package
  for package in "$@"; do
    grep -qxF "$package installed" <<<"$have" || echo "$package"
  done
}

apt_get() {
  local -a as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
      fail "packages are missing, and this is neither root nor is sudo installed: ${missing[*]}"
    as_root=(sudo)
  fi
  # The lock timeout outwaits an unattended upgrade that runs on a freshly started machine.
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" </dev/null
}

node_major() {
  local version
  version=$(node --version 2>/dev/null) || version=v0
  version=${version#v}
  echo "${version%%.*}"
}

install_debian() {
  command -v dpkg-query >/dev/null || fail "this needs Debian 12 (no dpkg-query found)"
  local -a wanted=("${build_packages[@]}" "${test_packages[@]}")
  # Node from elsewhere serves as well, and Debian's packages would conflict with it.
  if [ "$(node_major)" -lt 18 ]; then wanted+=(nodejs); fi
  command -v npm >/dev/null || wanted+=(npm)

  mapfile -t missing < <(missing_of "${wanted[@]}")
  [ "${#missing[@]}" -gt 0 ] || return 0
  if installed libboost1.74-dev; then
    fail "libboost1.74-dev is installed and cannot stand beside libboost1.81-dev, which this" \
      "project needs. Remove it and its dependents, then run this again:" \
      "sudo apt-get remove libboost1.74-dev"
  fi
  echo "deps: installing ${#missing[@]} Debian packages: ${missing[*]}"
  apt_get update
  apt_get install -y --no-install-recommends "${missing[@]}" >/dev/null ||
    fail "apt-get could not install: ${missing[*]}"
  mapfile -t missing < <(missing_of "${wanted[@]}")
  [ "${#missing[@]}" -eq 0 ] || fail "still missing after the installation: ${missing[*]}"
}

install_npm() {
  [ -f package-lock.json ] || fail "there is no package-lock.json"
  [ "$(node_major)" -ge 18 ] || fail "node 18 or newer is needed, found $(node --version || true)"
  # Beside the tree it vouches for: deleting node_modules deletes the stamp.
  local stamp=node_modules/.installed-from
  local want
  want="$(sha256sum <package-lock.json) node $(node_major)"
  [ "$(cat "$stamp" 2>/dev/null || true)" = "$want" ] && return 0
  echo "deps: installing npm packages"
  mkdir -p build
  npm ci --no-audit --no-fund --loglevel=error </dev/null >build/npm-ci.log 2>&1 || {
    tail -n 20 build/npm-ci.log >&2
    fail "npm ci could not install package-lock.json; build/npm-ci.log has all of it"
  }
  echo "$want" >"$stamp"
}

declare -a missing=()
[ -n "${NO_APT:-}" ] || install_debian
[ -n "${NO_NPM:-}" ] || install_npm
