"""Where things are, and how they are read."""

import os
import pathlib
import re

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]
BIN = pathlib.Path(os.environ.get("NOTIFICATIONS_BIN", ROOT / "build/bin"))
NODE_MODULES = ROOT / "node_modules"


class _Strict(yaml.SafeLoader):
    """A loader that refuses a key written twice, of which YAML readers silently keep the last."""


def _mapping(loader, node):
    keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
    twice = {key for key in keys if keys.count(key) > 1}
    if twice:
        raise yaml.YAMLError(f"repeated keys {sorted(map(str, twice))} at {node.start_mark}")
    loader.flatten_mapping(node)
    return {loader.construct_object(key, deep=True): loader.construct_object(value, deep=True)
            for key, value in node.value}


_Strict.add_constructor("tag:yaml.org,2002:map", _mapping)


def load_yaml(text: str):
    return yaml.load(text, _Strict)


def read_yaml(path: str):
    return load_yaml((ROOT / path).read_text())


def read_all_yaml(path: str) -> list:
    return [doc for doc in yaml.load_all((ROOT / path).read_text(), _Strict) if doc is not None]


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """`1m30s`, `500ms` or `0.25s` in seconds."""
    parts = re.findall(r"([0-9.]+)(ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no duration")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
