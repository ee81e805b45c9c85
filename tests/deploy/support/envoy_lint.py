"""What Envoy's schema cannot say: that names refer to something, and that the settings fit this product.

Works on the configuration as read from YAML, after envoy_schema took it.
"""

import re

from .files import seconds

# The contract's clocks.
HEARTBEAT = 25 + 20       # --ping_interval and --ping_timeout: silence of a living WebSocket
SSE_KEEPALIVE = 15
EDGE_HTTP_KEEPALIVE = 5   # how long the edge keeps an idle connection

_FLEET = 100_000          # what one Envoy must be able to carry to one cluster
# Retries that cannot do a thing twice: the request never reached the other side.
_SAFE_RETRIES = {"connect-failure", "refused-stream"}
_OPERATORS = {
    "START_TIME", "DOWNSTREAM_REMOTE_ADDRESS", "PROTOCOL", "RESPONSE_CODE", "RESPONSE_FLAGS",
    "RESPONSE_CODE_DETAILS", "GRPC_STATUS", "DURATION", "BYTES_RECEIVED", "BYTES_SENT", "ROUTE_NAME",
    "UPSTREAM_HOST", "UPSTREAM_TRANSPORT_FAILURE_REASON", "LOCAL_REPLY_BODY", "REQ", "RESP",
}
_ACTIONS = {f"envoy.overload_actions.{name}" for name in (
    "stop_accepting_requests", "disable_http_keepalive", "stop_accepting_connections",
    "reject_incoming_connections", "shrink_heap", "reduce_timeouts", "reset_high_memory_stream")}
_LOOPBACK = ("127.0.0.1", "::1")


class Config:
    """The parts of a configuration that checks ask for."""

    def __init__(self, config: dict):
        self.config = config
        self.resources = config["static_resources"]
        self.listeners = self.resources["listeners"]
        self.clusters = {cluster["name"]: cluster for cluster in self.resources["clusters"]}

    def manager(self, listener: str) -> dict:
        """The HTTP connection manager of a listener."""
        (found,) = [item for item in self.listeners if item["name"] == listener]
        return found["filter_chains"][0]["filters"][0]["typed_config"]

    def routes(self, listener: str) -> list[dict]:
        (host,) = self.manager(listener)["route_config"]["virtual_hosts"]
        return host["routes"]

    def route_of(self, path: str, listener: str = "public") -> dict:
        """The route that a request for `path` takes."""
        for route in self.routes(listener):
            match = route["match"]
            separated = match.get("path_separated_prefix")
            if (match.get("path") == path
                    or (separated and (path == separated or path.startswith(separated + "/")))
                    or ("prefix" in match and path.startswith(match["prefix"]))):
                return route
        raise LookupError(f"no route for {path}")

    def protocol_options(self, cluster: str) -> dict:
        options = self.clusters[cluster].get("typed_extension_protocol_options", {})
        return options.get("envoy.extensions.upstreams.http.v3.HttpProtocolOptions", {})


def endpoints(cluster: dict) -> list[dict]:
    return [entry["endpoint"] for group in cluster["load_assignment"]["endpoints"]
            for entry in group["lb_endpoints"]]


def strings(tree) -> list[str]:
    """All strings in a tree."""
    if isinstance(tree, dict):
        return [text for value in tree.values() for text in strings(value)]
    if isinstance(tree, list):
        return [text for value in tree for text in strings(value)]
    return [tree] if isinstance(tree, str) else []


def references(config: dict) -> list[str]:
    """Names that lead nowhere, are there twice, or cannot be reached."""
    c = Config(config)
    found = []
    names = [cluster["name"] for cluster in c.resources["clusters"]]
    found += [f"two clusters are named {name}" for name in set(names) if names.count(name) > 1]
    found += [f"cluster {name} answers to {cluster['load_assignment']['cluster_name']}"
              for name, cluster in c.clusters.items()
              if cluster["load_assignment"]["cluster_name"] != name]
    found += [f"cluster {name}: there is no protocol {key}" for name, cluster in c.clusters.items()
              for key, options in cluster.get("typed_extension_protocol_options", {}).items()
              if options["@type"].split("/")[-1] != key]
    used = set()
    addresses = [str(item["address"]["socket_address"]["port_value"]) for item in c.listeners]
    addresses.append(str(config["admin"]["address"]["socket_address"]["port_value"]))
    found += [f"port {port} is listened on twice" for port in set(addresses)
              if addresses.count(port) > 1]
    for listener in c.listeners:
        name = listener["name"]
        filters = c.manager(name)["http_filters"]
        if not filters[-1]["typed_config"]["@type"].endswith(".Router"):
            found.append(f"listener {name}: the last HTTP filter is not the router")
        routes = c.routes(name)
        route_names = [route["name"] for route in routes]
        found += [f"two routes are named {route}" for route in set(route_names)
                  if route_names.count(route) > 1]
        for index, route in enumerate(routes):
            cluster = route["route"]["cluster"]
            used.add(cluster)
            if cluster not in c.clusters:
                found.append(f"route {route['name']}: there is no cluster {cluster}")
            match = route["match"]
            path = match.get("path_separated_prefix", match.get("path", match.get("prefix")))
            if c.route_of(path, name) is not routes[index]:
                found.append(f"route {route['name']} is never reached")
    found += [f"cluster {name} is never used" for name in set(names) - used]
    overload = config["overload_manager"]
    monitors = {monitor["name"] for monitor in overload["resource_monitors"]}
    for action in overload["actions"]:
        if action["name"] not in _ACTIONS:
            found.append(f"there is no overload action {action['name']}")
        found += [f"{action['name']}: there is no resource monitor {trigger['name']}"
                  for trigger in action["triggers"] if trigger["name"] not in monitors]
    for text in strings(config):
        if text.count("%") % 2:
            found.append(f"an odd number of % in {text!r}")
        found += [f"there is no command operator {name} ({text!r})"
                  for name in re.findall(r"%([^%(:]*)[^%]*%", text) if name not in _OPERATORS]
    return found


def _deprecated(message, path: str) -> list[str]:
    found = []
    for field, value in message.ListFields():
        where = f"{path}.{field.name}"
        if field.GetOptions().deprecated:
            found.append(f"{where} is deprecated")
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for item in value if field.label == field.LABEL_REPEATED else [value]:
            found += _deprecated(item, where)
    return found


def deprecations(bootstrap) -> list[str]:
    """Fields in use that Envoy is about to drop."""
    return _deprecated(bootstrap, "Bootstrap")


def _timeout(route: dict, key: str) -> float:
    """A timeout of a route in seconds; 0 is off. Not set: Envoy's default."""
    defaults = {"timeout": "15s", "idle_timeout": "300s"}
    return seconds(route["route"].get(key, defaults[key]))


def _long_lived(c: Config) -> list[str]:
    found = []
    for path, cluster, silence in (("/socket.io", "edge", HEARTBEAT), ("/socket.io/", "edge", HEARTBEAT),
                                   ("/events", "edge", SSE_KEEPALIVE),
                                   ("/notifications.v1.NotificationsGateway/Stream", "server", None),
                                   ("/grpc.health.v1.Health/Watch", "server", None)):
        route = c.route_of(path)
        if route["route"]["cluster"] != cluster:
            found.append(f"{path} goes to {route['route']['cluster']}, not to {cluster}")
        if _timeout(route, "timeout") != 0:
            found.append(f"{path}: a request that never ends needs timeout 0s")
        idle = _timeout(route, "idle_timeout")
        if silence is None and idle != 0:
            found.append(f"{path}: a quiet stream would be cut after {idle} s")
        if silence is not None and 0 < idle < 2 * silence:
            found.append(f"{path}: idle_timeout of {idle} s is near the {silence} s of a living one")
        if "max_stream_duration" in route["route"]:
            found.append(f"{path}: max_stream_duration cuts living streams")
    for path in ("/socket.iox", "/eventsx", "/notifications.v1.NotificationsGatewayX", "/api", "/apix",
                 "/", "/socket", "/demo"):
        if c.route_of(path)["route"]["cluster"] != "platform-server":
            found.append(f"{path} does not go to the platform server")
    manager = c.manager("public")
    if manager.get("common_http_protocol_options", {}).get("max_connection_duration"):
        found.append("max_connection_duration cuts living WebSockets")
    if any(upgrade.get("enabled", True) for upgrade in manager.get("upgrade_configs", [])):
        found.append("upgrades are open for every route")
    for route in c.routes("public"):
        upgrades = [upgrade["upgrade_type"] for upgrade in route["route"].get("upgrade_configs", [])
                    if upgrade.get("enabled", True)]
        wanted = ["websocket"] if route["name"] == "socketio" else []
        if upgrades != wanted:
            found.append(f"route {route['name']}: upgrades {upgrades} instead of {wanted}")
    for item in manager["http_filters"]:
        if re.search(r"compress|gzip|\.buffer\.|bandwidth", item["typed_config"]["@type"]):
            found.append(f"{item['name']} holds back or compresses live streams")
    return found


def _edges_of_the_house(c: Config) -> list[str]:
    found = []
    if c.config["admin"]["address"]["socket_address"]["address"] not in _LOOPBACK:
        found.append("the admin listener is not on loopback")
    for path in [route["match"].get("path") for route in c.routes("ops")]:
        if path not in ("/ready", "/stats/prometheus"):
            found.append(f"listener ops shows {path}")
    manager = c.manager("public")
    for key, wanted in (("use_remote_address", True), ("normalize_path", True), ("merge_slashes", True),
                        ("path_with_escaped_slashes_action", "UNESCAPE_AND_REDIRECT")):
        if manager.get(key) != wanted:
            found.append(f"{key} is {manager.get(key)!r}, not {wanted!r}")
    if "request_headers_timeout" not in manager:
        found.append("no request_headers_timeout: slow headers hold connections")
    monitors = strings(c.config["overload_manager"])
    if not any(text.endswith(".DownstreamConnectionsConfig") for text in monitors):
        found.append("nothing limits the number of connections")
    logs = manager.get("access_log", [])
    if not logs or "json_format" not in logs[0]["typed_config"].get("log_format", {}):
        found.append("the access log is not JSON")
    for listener in c.listeners:
        if listener.get("per_connection_buffer_limit_bytes", 1 << 20) > 1 << 16:
            found.append(f"listener {listener['name']} buffers too much for each connection")
    return found


def _clusters(c: Config) -> list[str]:
    found = []
    public = {route["route"]["cluster"] for route in c.routes("public")}
    for name in sorted(public & set(c.clusters)):
        cluster = c.clusters[name]
        thresholds = {item.get("priority", "DEFAULT"): item
                      for item in cluster.get("circuit_breakers", {}).get("thresholds", [])}
        for key in ("max_connections", "max_pending_requests", "max_requests"):
            if thresholds.get("DEFAULT", {}).get(key, 1024) < _FLEET:
                found.append(f"cluster {name}: {key} is below {_FLEET}")
        if "tcp_keepalive" not in cluster.get("upstream_connection_options", {}):
            found.append(f"cluster {name} has no TCP keepalive")
        if cluster.get("lb_policy") != "LEAST_REQUEST":
            found.append(f"cluster {name} does not balance by least request")
        if cluster.get("per_connection_buffer_limit_bytes", 1 << 20) > 1 << 16:
            found.append(f"cluster {name} buffers too much for each connection")
        if cluster.get("close_connections_on_host_health_failure"):
            found.append(f"cluster {name} cuts living connections when a check fails")
        found += [f"cluster {name}: {problem}" for problem in _outliers(cluster)]
    for name in ("edge", "server"):
        checks = c.clusters[name].get("health_checks", [])
        if [check.get("http_health_check", {}).get("path") for check in checks] != ["/readyz"]:
            found.append(f"cluster {name} is not checked by /readyz")
        for check in checks:
            if seconds(check.get("no_traffic_interval", "60s")) > 10:
                found.append(f"cluster {name} is hardly checked before its first request")
        if not all(endpoint.get("health_check_config", {}).get("port_value")
                   for endpoint in endpoints(c.clusters[name])):
            found.append(f"cluster {name}: /readyz is asked for on the public port")
    if "http2_protocol_options" not in c.protocol_options("server").get("explicit_http_config", {}):
        found.append("cluster server does not speak HTTP/2")
    for name in ("edge", "platform-server"):
        if "http_protocol_options" not in c.protocol_options(name).get("explicit_http_config", {}):
            found.append(f"cluster {name} does not speak HTTP/1.1")
        common = c.protocol_options(name).get("common_http_protocol_options", {})
        if seconds(common.get("idle_timeout", "1h")) >= EDGE_HTTP_KEEPALIVE:
            found.append(f"cluster {name} writes into connections that the other side is closing")
    for route in c.routes("public"):
        wanted = route["route"].get("retry_policy", {}).get("retry_on", "")
        unsafe = {text for text in wanted.split(",") if text} - _SAFE_RETRIES
        if unsafe:
            found.append(f"route {route['name']}: a retry on {sorted(unsafe)} may do a thing twice")
    return found


def _outliers(cluster: dict) -> list[str]:
    outlier = cluster.get("outlier_detection")
    if outlier is None:
        return ["no outlier detection"]
    found = []
    if not outlier.get("split_external_local_origin_errors"):
        found.append("a reset WebSocket counts as an error of its host")
    # These are 100 by default, but for the percentages.
    for key in ("enforcing_consecutive_local_origin_failure", "enforcing_local_origin_success_rate",
                "enforcing_consecutive_5xx", "enforcing_success_rate"):
        if outlier.get(key, 100) != 0:
            found.append(f"{key} ejects hosts for what is no fault of theirs")
    if outlier.get("max_ejection_percent", 10) > 50:
        found.append("more than half of the hosts may be ejected")
    return found


def settings(config: dict) -> list[str]:
    """Settings that are valid and wrong for this product."""
    c = Config(config)
    return _long_lived(c) + _edges_of_the_house(c) + _clusters(c)
