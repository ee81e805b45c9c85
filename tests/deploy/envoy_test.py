"""envoy/envoy.yaml: Envoy's own schema, its references, and what this product needs of it."""

import copy
import json
import re
import subprocess
import tempfile
import unittest

from google.protobuf import descriptor_pb2

from support import envoy_lint, envoy_schema
from support.files import ROOT, load_yaml, read_yaml

CONFIG = read_yaml("envoy/envoy.yaml")


def edited(path: str, value):
    """A copy of the configuration with one place set; None removes it. Path: `a.0.b`."""
    config = copy.deepcopy(CONFIG)
    *parents, last = [int(key) if key.isdigit() else key for key in path.replace("\\.", "\0").split(".")]
    node = config
    for key in parents:
        node = node[key if isinstance(key, int) else key.replace("\0", ".")]
    last = last if isinstance(last, int) else last.replace("\0", ".")
    if value is None:
        del node[last]
    else:
        node[last] = value
    return config


_MANAGER = "static_resources.listeners.0.filter_chains.0.filters.0.typed_config"
_ROUTES = f"{_MANAGER}.route_config.virtual_hosts.0.routes"
_EDGE = "static_resources.clusters.0"
_SERVER = "static_resources.clusters.1"
_HTTP = "typed_extension_protocol_options.envoy\\.extensions\\.upstreams\\.http\\.v3\\.HttpProtocolOptions"

# Mistakes that Envoy itself would refuse, and a part of what the check says.
AGAINST_THE_SCHEMA = {
    "misspelt field": (f"{_EDGE}.conect_timeout", "2s", "conect_timeout"),
    "misspelt field inside Any": (f"{_MANAGER}.use_remote_adress", True, "use_remote_adress"),
    "misspelt field of a route": (f"{_ROUTES}.0.route.idle_timout", "5s", "idle_timout"),
    "bad duration": (f"{_EDGE}.connect_timeout", "2x", "connect_timeout"),
    "duration without unit": (f"{_MANAGER}.stream_idle_timeout", "300", ""),
    "minutes, which protobuf has not": (f"{_ROUTES}.0.route.timeout", "5m", ""),
    "bad enum": (f"{_EDGE}.lb_policy", "LEAST_REQUESTS", "LEAST_REQUESTS"),
    "unknown extension": (f"{_MANAGER}.@type", "type.googleapis.com/envoy.extensions.filters.network.none.v3.X", "no such extension"),
    "unknown message of a known folder": (f"{_MANAGER}.@type", "type.googleapis.com/envoy.extensions.filters.http.router.v3.Routr", "Routr"),
    "text for a number": (f"{_EDGE}.load_assignment.endpoints.0.lb_endpoints.0.endpoint.address.socket_address.port_value", "http", "port_value"),
    "port out of range": ("static_resources.listeners.0.address.socket_address.port_value", 99999, "lte"),
    "no timeout for connecting": (f"{_EDGE}.connect_timeout", "0s", "gt"),
    "empty name": (f"{_EDGE}.name", "", "min_len"),
    "empty stat_prefix": (f"{_MANAGER}.stat_prefix", "", "min_len"),
    "no domains": (f"{_MANAGER}.route_config.virtual_hosts.0.domains", [], "min_items"),
    "route without action": (f"{_ROUTES}.0.route", None, "action"),
    "route without cluster": (f"{_ROUTES}.0.route.cluster", None, "cluster_specifier"),
    "separated prefix that ends in /": (f"{_ROUTES}.0.match.path_separated_prefix", "/socket.io/", "pattern"),
    "check without threshold": (f"{_EDGE}.health_checks.0.unhealthy_threshold", None, "required"),
    "check without path": (f"{_EDGE}.health_checks.0.http_health_check.path", None, "min_len"),
    "ejection above 100 %": (f"{_EDGE}.outlier_detection.max_ejection_percent", 101, "lte"),
    "trigger above 1": ("overload_manager.actions.0.triggers.0.threshold.value", 1.5, "lte"),
    "no limit in the limit": ("overload_manager.resource_monitors.0.typed_config.max_active_downstream_connections", 0, "gt"),
    "HTTP/2 window too small": (f"{_SERVER}.{_HTTP}.explicit_http_config.http2_protocol_options.initial_stream_window_size", 1024, "gte"),
    "two protocols at once": (f"{_EDGE}.{_HTTP}.explicit_http_config.http2_protocol_options", {}, ""),
    "status of a local reply": (f"{_MANAGER}.local_reply_config.mappers.0.status_code", 20, "gte"),
}
# Mistakes that Envoy finds late or never, and a part of what the check says.
AGAINST_SENSE = {
    "unknown cluster": (f"{_ROUTES}.0.route.cluster", "edges", "there is no cluster edges"),
    "cluster nobody uses": (f"{_ROUTES}.2.route.cluster", "edge", "not to server"),
    "load assignment of another cluster": (f"{_EDGE}.load_assignment.cluster_name", "server", "answers to"),
    "unknown monitor": ("overload_manager.actions.0.triggers.0.name", "envoy.resource_monitors.heap", "no resource monitor"),
    "unknown action": ("overload_manager.actions.0.name", "envoy.overload_actions.shrink", "no overload action"),
    "unknown command operator": (f"{_MANAGER}.access_log.0.typed_config.log_format.json_format.client", "%REMOTE%", "REMOTE"),
    "open command operator": (f"{_MANAGER}.access_log.0.typed_config.log_format.json_format.client", "%PROTOCOL", "odd number"),
    "port listened on twice": ("static_resources.listeners.1.address.socket_address.port_value", 8080, "twice"),
    "router not last": (f"{_MANAGER}.http_filters.1.typed_config", {"@type": "x/envoy.extensions.filters.http.buffer.v3.Buffer"}, "router"),
    "prefix that swallows neighbours": (f"{_ROUTES}.1.match", {"prefix": "/events"}, "/eventsx"),
    "route that is never reached": (f"{_ROUTES}.0.match", {"prefix": "/"}, "never reached"),
    "default timeout on WebSockets": (f"{_ROUTES}.0.route.timeout", None, "timeout 0s"),
    "idle timeout below two heartbeats": (f"{_ROUTES}.0.route.idle_timeout", "60s", "is near"),
    "default idle timeout on gRPC": (f"{_ROUTES}.2.route.idle_timeout", None, "would be cut"),
    "no upgrade": (f"{_ROUTES}.0.route.upgrade_configs", None, "upgrades []"),
    "upgrades for all": (f"{_MANAGER}.upgrade_configs.0.enabled", True, "open for every route"),
    "connections that end by age": (f"{_MANAGER}.common_http_protocol_options.max_connection_duration", "1h", "cuts living"),
    "admin for everyone": ("admin.address.socket_address.address", "0.0.0.0", "loopback"),
    "more of the admin pages": ("static_resources.listeners.1.filter_chains.0.filters.0.typed_config.route_config.virtual_hosts.0.routes.0.match.path", "/quitquitquit", "shows /quit"),
    "paths as they come": (f"{_MANAGER}.normalize_path", None, "normalize_path"),
    "clients that name themselves": (f"{_MANAGER}.use_remote_address", False, "use_remote_address"),
    "default circuit breakers": (f"{_EDGE}.circuit_breakers", None, "max_connections is below"),
    "WebSocket closes eject": (f"{_EDGE}.outlier_detection.split_external_local_origin_errors", None, "reset WebSocket"),
    "local errors eject": (f"{_EDGE}.outlier_detection.enforcing_consecutive_local_origin_failure", None, "ejects hosts"),
    "no keepalive": (f"{_SERVER}.upstream_connection_options", None, "keepalive"),
    "round robin": (f"{_EDGE}.lb_policy", None, "least request"),
    "HTTP/1.1 for gRPC": (f"{_SERVER}.{_HTTP}.explicit_http_config", {"http_protocol_options": {}}, "HTTP/2"),
    "idle connections kept too long": (f"{_EDGE}.{_HTTP}.common_http_protocol_options", None, "other side is closing"),
    "retry on any 5xx": (f"{_ROUTES}.2.route.retry_policy.retry_on", "5xx,connect-failure", "twice"),
    "health of the public port": (f"{_EDGE}.load_assignment.endpoints.0.lb_endpoints.0.endpoint.health_check_config", None, "public port"),
    "health by life, not readiness": (f"{_EDGE}.health_checks.0.http_health_check.path", "/healthz", "/readyz"),
    "big buffers": ("static_resources.listeners.0.per_connection_buffer_limit_bytes", None, "buffers too much"),
    "no connection limit": ("overload_manager.resource_monitors.0.typed_config", {"@type": "x/Other"}, "limits"),
    "plain access log": (f"{_MANAGER}.access_log.0.typed_config.log_format", {}, "JSON"),
}


def places(node, path=()):
    """The path to each value of a configuration."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def free(path) -> bool:
    """What the access log writes may be named and built at will."""
    return "json_format" in path[:-1]


def misspell(node, key) -> bool:
    if not isinstance(key, str):
        return False
    node[f"{key}x"] = node.pop(key)
    return True


def retype(node, key) -> bool:
    node[key] = [1] if isinstance(node[key], dict) else {"none": 1}
    return True


class EnvoyTest(unittest.TestCase):
    def test_is_what_envoys_schema_allows(self):
        bootstrap = envoy_schema.parse(CONFIG)
        self.assertEqual(len(bootstrap.static_resources.listeners), 2)
        self.assertEqual(envoy_lint.deprecations(bootstrap), [])

    def test_has_no_dangling_names(self):
        self.assertEqual(envoy_lint.references(CONFIG), [])

    def test_has_the_settings_that_live_streams_need(self):
        self.assertEqual(envoy_lint.settings(CONFIG), [])

    def test_mistakes_against_the_schema_are_caught(self):
        for name, (path, value, expected) in AGAINST_THE_SCHEMA.items():
            with self.subTest(name):
                with self.assertRaises(envoy_schema.Rejected) as caught:
                    envoy_schema.parse(edited(path, value))
                self.assertIn(expected, str(caught.exception))

    def test_no_key_can_be_misspelt_and_no_value_be_of_another_type(self):
        seen, unnoticed = set(), set()
        for path in places(CONFIG):
            # Of a list's items each key once is enough.
            kind = tuple("*" if isinstance(key, int) else key for key in path)
            if kind in seen or free(path):
                continue
            seen.add(kind)
            for name, damage in (("misspelt", misspell), ("of another type", retype)):
                config = json.loads(json.dumps(CONFIG))  # no shared anchors
                node = config
                for key in path[:-1]:
                    node = node[key]
                if not damage(node, path[-1]):
                    continue
                try:
                    envoy_schema.parse(config)
                except envoy_schema.Rejected:
                    continue
                if not envoy_lint.references(config):
                    unnoticed.add(f"{'.'.join(map(str, path))} {name}")
        self.assertGreater(len(seen), 150)
        self.assertEqual(unnoticed, set())

    def test_mistakes_against_sense_are_caught(self):
        for name, (path, value, expected) in AGAINST_SENSE.items():
            with self.subTest(name):
                config = edited(path, value)
                found = envoy_lint.references(config) + envoy_lint.settings(config)
                self.assertIn(expected, "\n".join(found))

    def test_a_key_written_twice_is_caught(self):
        with self.assertRaisesRegex(Exception, "repeated keys"):
            load_yaml("a: 1\nb: 2\na: 3\n")

    def test_transcodes_methods_that_the_schema_has(self):
        transcoder = CONFIG["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0][
            "typed_config"]["http_filters"][0]["typed_config"]
        with tempfile.NamedTemporaryFile(suffix=".pb") as out:
            # As envoy/CMakeLists.txt makes it.
            subprocess.run(["protoc", f"-I{ROOT}/proto", "--include_imports",
                            f"--descriptor_set_out={out.name}", "notifications/v1/gateway.proto"],
                           check=True)
            files = descriptor_pb2.FileDescriptorSet.FromString(out.read())
        services = {f"{file.package}.{service.name}": [method.name for method in service.method]
                    for file in files.file for service in file.service}
        (name,) = transcoder["services"]
        self.assertIn("Publish", services[name])
        self.assertIn("google/protobuf/struct.proto", [file.name for file in files.file])

    def test_local_replies_are_for_events_alone(self):
        mapper = CONFIG["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0][
            "typed_config"]["local_reply_config"]["mappers"][0]
        pattern = mapper["filter"]["and_filter"]["filters"][1]["header_filter"]["header"][
            "string_match"]["safe_regex"]["regex"]
        for path in ("/events", "/events?room=graph", "/events/", "/events/x"):
            self.assertTrue(re.fullmatch(pattern, path), path)
        for path in ("/eventsx", "/api/events", "/socket.io/?EIO=4", "/"):
            self.assertFalse(re.fullmatch(pattern, path), path)


if __name__ == "__main__":
    unittest.main()
