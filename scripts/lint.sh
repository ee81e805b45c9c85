#!/usr/bin/env bash
# Style checks: scripts/lint.sh all | shell | python | proto | format | tidy | format-in-place
#
# `tidy` looks at the files changed since the branch left main and at uncommitted ones; ALL=1: at all.
set -euo pipefail
cd "$(dirname "$0")/.."

tracked() {
  git ls-files --cached --others --exclude-standard -- "$@" | while read -r file; do
    if [ -f "$file" ]; then echo "$file"; fi
  done
}

cpp_files() { tracked '*.h' '*.cc'; }

shell() {
  local -a files
  mapfile -t files < <(tracked '*.sh' .ci/run)
  shellcheck "${files[@]}"
}

python() {
  local -a files
  mapfile -t files < <(tracked '*.py')
  # Compiles without writing .pyc files beside the sources.
  /usr/bin/python3 -W error -c 'import ast, sys
for name in sys.argv[1:]:
    with open(name, encoding="utf-8") as file:
        ast.parse(file.read(), name)' "${files[@]}"
}

proto() {
  local buf=node_modules/.bin/buf
  [ -x "$buf" ] || { echo "lint: $buf is missing: make deps" >&2; return 1; }
  "$buf" lint proto
}

format() { cpp_files | xargs -r clang-format-14 --dry-run -Werror; }

format_in_place() { cpp_files | xargs -r clang-format-14 -i; }

changed_cpp_units() {
  if [ -n "${ALL:-}" ]; then
    tracked '*.cc'
    return
  fi
  local base
  base=$(git merge-base HEAD origin/main 2>/dev/null || git rev-parse HEAD)
  { git diff --name-only "$base" -- '*.cc'; git ls-files --others --exclude-standard -- '*.cc'; } |
    sort -u | while read -r file; do if [ -f "$file" ]; then echo "$file"; fi; done
}

tidy() {
  [ -f build/compile_commands.json ] || cmake --preset release >/dev/null
  # The commands are for g++: clang ignores warning flags that it does not know, if told so, but no
  # others.
  mkdir -p build/tidy
  sed 's/ -fno-gnu-unique//g' build/compile_commands.json >build/tidy/compile_commands.json
  # The fuzzers are not part of the release tree.
  changed_cpp_units | grep -v '^tests/fuzz/' |
    xargs -r -n 1 -P "$(nproc)" clang-tidy-14 --quiet -p build/tidy \
      --extra-arg=-Wno-unknown-warning-option
}

all() {
  local failed=0 check
  for check in shell python proto format includes repo tidy; do
    echo "lint: $check"
    # Run as a command of its own, or else `||` would switch `set -e` off inside it.
    case $check in
      includes | repo) /usr/bin/python3 "tests/checks/$check.py" || failed=1 ;;
      *) "$0" "$check" || failed=1 ;;
    esac
  done
  return "$failed"
}

case "${1:-}" in
  shell | python | proto | format | tidy | all) "$1" ;;
  format-in-place) format_in_place ;;
  *)
    sed -n '2,4s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
