"""Checks what belongs in the repository and what does not. Run: python3 repo.py [--self-test]"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

# A path of one machine, as opposed to those that every Debian has.
_MACHINE_PATH = re.compile(r"(?<![\w.$}-])/(home|root|Users|work)/\w")
_REGISTRY = re.compile(r'"resolved"\s*:\s*"|registry\.npmjs|deb\.debian\.org|registry=')
_UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX)\b")
_BUILT = re.compile(r"(^|/)(node_modules|build|build-[a-z]+|__pycache__)/|\.(o|a|so|pyc)$")
_SOURCE = (".h", ".cc", ".py", ".mjs", ".js", ".sh", ".proto", ".txt", ".html")
_PROSE = (".md",)
# These write the very words they look for.
_SELF = "tests/checks/repo.py"
_LONG, _TOO_LONG = 500, 1000


def check(root: pathlib.Path, files: list[str]) -> tuple[list[str], list[str]]:
    """Returns problems and, apart from them, remarks that fail nothing."""
    problems, remarks = [], []
    for path in files:
        if _BUILT.search(path):
            problems.append(f"{path}: is build output")
            continue
        try:
            text = (root / path).read_bytes().decode()
        except UnicodeDecodeError:
            continue  # an image, a fuzzer's seed
        if path.startswith("tests/fuzz/corpus/") or path.startswith("tests/fuzz/crashers/"):
            continue
        problems += _check_form(path, text)
        if path != _SELF:
            problems += _check_words(path, text)
        if path.endswith((".h", ".cc")):
            lines = text.count("\n")
            if lines > _TOO_LONG:
                problems.append(f"{path}: {lines} lines")
            elif lines > _LONG:
                remarks.append(f"{path}: {lines} lines, does it hold two nouns?")
    return problems, remarks


def _check_form(path: str, text: str) -> list[str]:
    problems = []
    if path.endswith(".h") and "#pragma once" not in text:
        problems.append(f"{path}: has no #pragma once")
    if "\r\n" in text:
        problems.append(f"{path}: has DOS line ends")
    if path.endswith(".json"):
        try:
            json.loads(text)
        except ValueError as error:
            problems.append(f"{path}: is not JSON: {error}")
    if path.endswith((".yaml", ".yml")):
        import yaml  # from python3-yaml, here alone
        try:
            list(yaml.safe_load_all(text))
        except yaml.YAMLError as error:
            problems.append(f"{path}: is not YAML: {error}")
    return problems


def _check_words(path: str, text: str) -> list[str]:
    problems = []
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{path}:{number}"
        if _MACHINE_PATH.search(line):
            problems.append(f"{where}: a machine's path: {line.strip()[:100]}")
        if _REGISTRY.search(line):
            problems.append(f"{where}: a registry's address: {line.strip()[:100]}")
        if path.endswith(_SOURCE) and _UNFINISHED.search(line):
            problems.append(f"{where}: unfinished: {line.strip()[:100]}")
    return problems


def self_test() -> list[str]:
    fine = {
        "a.h": "#pragma once\n", "a.cc": "// see /usr/include and /tmp/x, build/bin\n",
        "a.json": "{}\n", "a.yaml": "a: 1\n", "package-lock.json": '{"version": 3}\n',
        "tests/fuzz/corpus/x/1": "/home/me TODO\n",
    }
    broken = {
        "b.h": "int x;\n", "b.cc": "// in /home/me/src\n", "b.sh": "# TODO\n", "b.py": "# FIXME\n",
        "c.cc": "a\r\nb\n", "b.json": "{,}\n", "b.yaml": "a: [\n", "build/x": "", "x.o": "",
        "web/node_modules/a.js": "", "lock.json": '{"resolved": "https://example.com"}\n',
        "long.cc": "\n" * (_TOO_LONG + 1),
    }
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for path, text in {**fine, **broken}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(text.encode())
        missed += [f"wrongly refused: {problem}" for problem in check(root, list(fine))[0]]
        missed += [f"not caught: {path}" for path in broken if not check(root, [path])[0]]
    return missed


def main() -> int:
    remarks = []
    if sys.argv[1:] == ["--self-test"]:
        problems = self_test()
    else:
        root = pathlib.Path(__file__).resolve().parents[2]
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=root, capture_output=True, text=True, check=True).stdout.split("\0")
        files = [path for path in listed if path and (root / path).is_file()]
        problems, remarks = check(root, files) if files else (["no files found"], [])
    for remark in remarks:
        print(f"remark: {remark}")
    print("\n".join(problems) or "ok")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
