"""Kubernetes' own types, as npm's kubernetes-types has them, and objects held against them, strictly."""

import functools
import pathlib
import re

from .files import NODE_MODULES

_TYPES = NODE_MODULES / "kubernetes-types"
_FIELD = re.compile(r'^    (?:readonly )?"?([\w$.-]+)"?(\?)?: (.*)$')
_QUANTITY = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?")


@functools.lru_cache(maxsize=None)
def _module(path: pathlib.Path) -> tuple[dict, dict]:
    """The interfaces of a file, {name: {field: (type, required)}}, and its imports, {name: file}."""
    text = re.sub(r"/\*\*.*?\*/", "", path.read_text(), flags=re.S)
    text = re.sub(r"\{\s+\[name: string\]: ([^;]+);\s+\}", r"Map<\1>", text)
    interfaces = {}
    for name, body in re.findall(r"^export interface (\w+) \{\n(.*?)^\}", text, flags=re.S | re.M):
        fields = {}
        for line in body.splitlines():
            if not line.strip():
                continue
            found = _FIELD.match(line)
            if not found:
                raise NotImplementedError(f"{path}: {name}: {line.strip()}")
            fields[found[1]] = (found[3].rstrip(";"), not found[2])
        interfaces[name] = fields
    for name, target in re.findall(r"^export type (\w+) = (.+);$", text, flags=re.M):
        interfaces[name] = target
    imports = {}
    for names, source in re.findall(r'^import \{ ([^}]+) \} from "([^"]+)";', text, flags=re.M):
        for name in names.split(", "):
            imports[name] = (path.parent / f"{source}.d.ts").resolve()
    return interfaces, imports


def _file_of(api_version: str) -> pathlib.Path:
    group, _, version = api_version.rpartition("/")
    return _TYPES / (group.split(".")[0] or "core") / f"{version}.d.ts"


def _check(value, wanted: str, path: pathlib.Path, where: str) -> list[str]:
    wanted = wanted.strip()
    if " | " in wanted and not wanted.startswith(("Array<", "Map<")):
        problems = [_check(value, part, path, where) for part in wanted.split(" | ")]
        return [] if [] in problems else [f"{where}: {value!r} is none of {wanted}"]
    if wanted.startswith('"'):
        return [] if value == wanted.strip('"') else [f"{where}: {value!r} is not {wanted}"]
    if wanted in ("string", "number", "boolean"):
        types = {"string": str, "number": (int, float), "boolean": bool}[wanted]
        fits = isinstance(value, types) and (wanted == "boolean" or not isinstance(value, bool))
        return [] if fits else [f"{where}: {value!r} is no {wanted}"]
    inner = re.fullmatch(r"(Array|Map)<(.+)>", wanted)
    if inner and inner[1] == "Array":
        if not isinstance(value, list):
            return [f"{where}: is no list"]
        return [problem for index, item in enumerate(value)
                for problem in _check(item, inner[2], path, f"{where}[{index}]")]
    if inner:
        if not isinstance(value, dict):
            return [f"{where}: is no map"]
        return [problem for key, item in value.items()
                for problem in _check(item, inner[2], path, f"{where}.{key}")]
    if wanted == "Quantity":
        return [] if _QUANTITY.fullmatch(str(value)) else [f"{where}: {value!r} is no quantity"]
    return _check_named(value, wanted, path, where)


def _check_named(value, wanted: str, path: pathlib.Path, where: str) -> list[str]:
    interfaces, imports = _module(path)
    if wanted not in interfaces:
        if wanted not in imports:
            return [f"{where}: there is no {wanted} in {path.relative_to(_TYPES)}"]
        return _check(value, wanted, imports[wanted], where)
    fields = interfaces[wanted]
    if isinstance(fields, str):
        return _check(value, fields, path, where)
    if not isinstance(value, dict):
        return [f"{where}: is no {wanted}"]
    problems = [f"{where}: there is no field {key} in {wanted}" for key in value if key not in fields]
    for key, (kind, required) in fields.items():
        if key in value:
            problems += _check(value[key], kind, path, f"{where}.{key}")
        elif required:
            problems.append(f"{where}.{key} is required")
    return problems


def problems(manifest: dict) -> list[str]:
    """What is wrong with an object: unknown, missing and mistyped fields."""
    for key in ("apiVersion", "kind"):
        if not isinstance(manifest.get(key), str):
            return [f"{key} is required"]
    where = f"{manifest['kind']} {manifest.get('metadata', {}).get('name')}"
    file = _file_of(manifest["apiVersion"])
    if not _TYPES.is_dir():
        raise FileNotFoundError(f"{_TYPES} is missing: make deps")
    if not file.exists():
        return [f"{where}: there is no apiVersion {manifest['apiVersion']}"]
    return _check_named(manifest, manifest["kind"], file, where)
