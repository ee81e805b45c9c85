"""protoc-gen-validate's rules, checked on messages at run time."""

import ipaddress
import re

_HEADER_NAME = re.compile(r":?[0-9a-zA-Z!#$%&'*+\-.^_|~`]+")
_HEADER_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_HOST = re.compile(r"(?=.{1,253}$)([0-9a-zA-Z]([0-9a-zA-Z-]{0,61}[0-9a-zA-Z])?\.?)+")


def _is_ip(text: str, kind=ipaddress.ip_address) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True


_FORMATS = {
    "ip": _is_ip,
    "ipv4": lambda text: _is_ip(text, ipaddress.IPv4Address),
    "ipv6": lambda text: _is_ip(text, ipaddress.IPv6Address),
    "hostname": lambda text: bool(_HOST.fullmatch(text)),
    "address": lambda text: _is_ip(text) or bool(_HOST.fullmatch(text)),
    "uri": lambda text: bool(re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:", text)),
    "uri_ref": lambda text: " " not in text,
    "email": lambda text: "@" in text,
    "uuid": lambda text: bool(re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text)),
}


def _nanoseconds(message) -> int:
    return message.seconds * 10**9 + message.nanos


def _length(value) -> int:
    return len(value)


def _bytes_length(value) -> int:
    return len(value.encode()) if isinstance(value, str) else len(value)


_ORDER = {
    "lt": lambda value, bound: value < bound, "lte": lambda value, bound: value <= bound,
    "gt": lambda value, bound: value > bound, "gte": lambda value, bound: value >= bound,
    "const": lambda value, bound: value == bound,
}
_CONTENT = {
    "len": lambda value, bound: _length(value) == bound,
    "min_len": lambda value, bound: _length(value) >= bound,
    "max_len": lambda value, bound: _length(value) <= bound,
    "len_bytes": lambda value, bound: _bytes_length(value) == bound,
    "min_bytes": lambda value, bound: _bytes_length(value) >= bound,
    "max_bytes": lambda value, bound: _bytes_length(value) <= bound,
    "min_items": lambda value, bound: len(value) >= bound,
    "max_items": lambda value, bound: len(value) <= bound,
    "min_pairs": lambda value, bound: len(value) >= bound,
    "max_pairs": lambda value, bound: len(value) <= bound,
    "prefix": lambda value, bound: value.startswith(bound),
    "suffix": lambda value, bound: value.endswith(bound),
    "contains": lambda value, bound: bound in value,
    "not_contains": lambda value, bound: bound not in value,
    "in": lambda value, bound: value in bound,
    "not_in": lambda value, bound: value not in bound,
    "unique": lambda value, bound: not bound or len(set(map(str, value))) == len(value),
    "pattern": lambda value, bound: re.search(bound, value) is not None,
    "well_known_regex": lambda value, bound:
        (_HEADER_NAME, _HEADER_VALUE)[bound - 1].fullmatch(value) is not None,
}
# Judged elsewhere, or no rules of their own.
_ELSEWHERE = {"ignore_empty", "required", "skip", "strict", "items", "keys", "values", "no_sparse",
              "defined_only"}


class _Walk:
    def __init__(self, pool, factory):
        self._rules = pool.FindExtensionByName("validate.rules")
        self._one_of_required = pool.FindExtensionByName("validate.required")
        self._pool, self._factory = pool, factory
        self._field_options = self._class("google.protobuf.FieldOptions")
        self._one_of_options = self._class("google.protobuf.OneofOptions")
        self._field_options.RegisterExtension(self._rules)
        self._one_of_options.RegisterExtension(self._one_of_required)
        self._known = {}
        self.found: list[str] = []

    def _class(self, name: str):
        return self._factory.GetPrototype(self._pool.FindMessageTypeByName(name))

    def _option(self, descriptor, options_class, extension):
        key = (descriptor.full_name if hasattr(descriptor, "full_name") else id(descriptor), extension.name)
        if key not in self._known:
            options = options_class.FromString(descriptor.GetOptions().SerializeToString())
            self._known[key] = (options.Extensions[extension]
                                if options.HasExtension(extension) else None)
        return self._known[key]

    def message(self, message, path: str) -> None:
        descriptor = message.DESCRIPTOR
        if descriptor.full_name == "google.protobuf.Any":
            if message.type_url:
                inner = self._class(message.type_url.split("/")[-1])()
                inner.ParseFromString(message.value)
                self.message(inner, f"{path}<{inner.DESCRIPTOR.name}>")
            return
        for one_of in descriptor.oneofs:
            if (self._option(one_of, self._one_of_options, self._one_of_required)
                    and not message.WhichOneof(one_of.name)):
                self.found.append(f"{path}: one of {one_of.name} is required")
        for field in descriptor.fields:
            self._field(message, field, f"{path}.{field.name}")

    def _field(self, message, field, path: str) -> None:
        rules = self._option(field, self._field_options, self._rules)
        value = getattr(message, field.name)
        if field.label == field.LABEL_REPEATED:
            self._repeated(field, value, rules, path)
            return
        present = message.HasField(field.name) if field.has_presence else True
        if rules is not None:
            kind = rules.WhichOneof("type")
            required = ((rules.HasField("message") and rules.message.required)
                        or (kind in ("duration", "any", "timestamp") and getattr(rules, kind).required))
            if required and not present and field.containing_oneof is None:
                self.found.append(f"{path} is required")
            if present and kind:
                self._value(field, value, getattr(rules, kind), path)
        if present and field.message_type is not None:
            self.message(value, path)

    def _repeated(self, field, value, rules, path: str) -> None:
        kind = rules.WhichOneof("type") if rules is not None else None
        own = getattr(rules, kind) if kind else None
        if own is not None and not (own.ignore_empty and not value):
            self._apply(value, own, path)
        is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
        for index, key in enumerate(value):
            item, where = (value[key], f"{path}[{key}]") if is_map else (key, f"{path}[{index}]")
            parts = [(key, "keys"), (item, "values")] if is_map else [(item, "items")]
            for part, name in parts:
                inner = getattr(own, name, None) if own is not None and own.HasField(name) else None
                if inner is not None and inner.WhichOneof("type"):
                    part_field = field.message_type.fields_by_name[name[:-1]] if is_map else field
                    self._value(part_field, part, getattr(inner, inner.WhichOneof("type")), where)
            if hasattr(item, "DESCRIPTOR"):
                self.message(item, where)

    def _value(self, field, value, rules, path: str) -> None:
        if field.enum_type is not None:
            if rules.defined_only and value not in field.enum_type.values_by_number:
                self.found.append(f"{path}: {value} is no {field.enum_type.name}")
        elif field.message_type is not None:
            name = field.message_type.full_name
            if name == "google.protobuf.Any":
                if getattr(rules, "in", None) and value.type_url not in getattr(rules, "in"):
                    self.found.append(f"{path}: {value.type_url} is not allowed here")
                return
            if name.startswith("google.protobuf.") and name.endswith("Value"):
                value = value.value
        if getattr(rules, "ignore_empty", False) and not value:
            return
        self._apply(value, rules, path)

    def _apply(self, value, rules, path: str) -> None:
        for rule, bound in rules.ListFields():
            name = rule.name
            if name in _ELSEWHERE:
                continue
            if rule.label != rule.LABEL_REPEATED and hasattr(bound, "seconds"):
                bound = _nanoseconds(bound)
            subject = _nanoseconds(value) if hasattr(value, "seconds") else value
            test = _ORDER.get(name) or _CONTENT.get(name) or (
                (lambda text, _: _FORMATS[name](text)) if name in _FORMATS else None)
            if test is None:
                raise NotImplementedError(f"{path}: rule {name} is not known here")
            if not test(subject, bound):
                shown = repr(subject) if len(repr(subject)) < 80 else type(subject).__name__
                self.found.append(f"{path}: {shown} breaks the rule {name}: {str(bound).strip()}")


def violations(message, pool, factory) -> list[str]:
    """One line for each rule that `message` or anything inside it breaks."""
    walk = _Walk(pool, factory)
    walk.message(message, message.DESCRIPTOR.name)
    return walk.found
