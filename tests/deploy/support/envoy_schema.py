"""Reads an Envoy configuration as Envoy does: by its API's protobuf schema, strictly.

The schema is the one that npm's @grpc/grpc-js-xds brings along. An unknown field, a wrong type or an
unknown extension fails in the parse; what protoc-gen-validate's rules forbid fails in the walk after
it, also inside of Any.
"""

import functools
import pathlib
import re
import subprocess
import tempfile

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

from . import pgv
from .files import NODE_MODULES

_DEPS = NODE_MODULES / "@grpc/grpc-js-xds/deps"
_ROOTS = ("envoy-api", "googleapis", "protoc-gen-validate", "xds")
_BOOTSTRAP = "envoy.config.bootstrap.v3.Bootstrap"

# The API is newer than the rules' schema beside it, and uses an option that is missing there.
_IGNORE_EMPTY = {"StringRules": 26, "BytesRules": 14, "RepeatedRules": 5, "MapRules": 6}


class Rejected(Exception):
    """The configuration is not one that Envoy would take; the text says where."""


def _with_ignore_empty(text: str) -> str:
    def add(match: re.Match) -> str:
        number = _IGNORE_EMPTY.get(match[1], 8)
        return f"{match[0]}\n  optional bool ignore_empty = {number};"
    return re.sub(r"message ((?!Field|Bool|Enum|Message|Any|Duration|Timestamp)\w+Rules) \{", add, text)


def _types_of(config) -> set[str]:
    if isinstance(config, dict):
        own = {str(config["@type"]).split("/")[-1]} if "@type" in config else set()
        return own.union(*map(_types_of, config.values()))
    if isinstance(config, list):
        return set().union(*map(_types_of, config))
    return set()


@functools.lru_cache(maxsize=None)
def _pool(folders: frozenset) -> descriptor_pool.DescriptorPool:
    """All messages of the given folders of the API, and whatever they refer to."""
    api = _DEPS / "envoy-api"
    if not api.is_dir():
        raise FileNotFoundError(f"{api} is missing: make deps")
    protos = ["envoy/config/bootstrap/v3/bootstrap.proto"]
    for folder in sorted(folders):
        protos += sorted(str(path.relative_to(api)) for path in (api / folder).glob("*.proto"))
    with tempfile.TemporaryDirectory() as scratch:
        overlay = pathlib.Path(scratch) / "validate/validate.proto"
        overlay.parent.mkdir()
        rules = _DEPS / "protoc-gen-validate/validate/validate.proto"
        overlay.write_text(_with_ignore_empty(rules.read_text()))
        out = pathlib.Path(scratch) / "envoy.pb"
        subprocess.run(["protoc", "-I", scratch, *(f"-I{_DEPS / root}" for root in _ROOTS),
                        "-I/usr/include", "--include_imports", f"--descriptor_set_out={out}",
                        *protos], check=True, stderr=subprocess.PIPE)
        files = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return pool


def parse(config):
    """The Bootstrap message of a configuration read from YAML. Raises Rejected."""
    api = _DEPS / "envoy-api"
    folders = set()
    for name in _types_of(config):
        folder = name.rpartition(".")[0].replace(".", "/")
        if not (api / folder).is_dir():
            raise Rejected(f"no such extension: {name}")
        folders.add(folder)
    pool = _pool(frozenset(folders))
    factory = message_factory.MessageFactory(pool)
    bootstrap = factory.GetPrototype(pool.FindMessageTypeByName(_BOOTSTRAP))()
    try:
        json_format.ParseDict(config, bootstrap, ignore_unknown_fields=False, descriptor_pool=pool)
    except (json_format.ParseError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise Rejected(str(error)) from error
    violations = pgv.violations(bootstrap, pool, factory)
    if violations:
        raise Rejected("\n".join(violations))
    return bootstrap
