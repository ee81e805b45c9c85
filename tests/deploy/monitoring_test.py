"""compose/prometheus and compose/grafana: syntax, meaning of each alert, and that they fit together."""

import copy
import json
import re
import shutil
import subprocess
import tempfile
import pathlib
import unittest

import yaml

from support.files import ROOT, read_yaml

ALERTS = read_yaml("compose/prometheus/alerts.yml")
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
DASHBOARD = json.loads((ROOT / "compose/grafana/dashboards/notifications.json").read_text())

# A fleet that is well: two edges, a server, an Envoy. Values as promtool writes them.
_EDGE_1 = 'job="notifications-edge",instance="edge-1"'
_EDGE_2 = 'job="notifications-edge",instance="edge-2"'
_SERVER = 'job="notifications-server",instance="server"'
WELL = {}
for _who in (_EDGE_1, _EDGE_2, _SERVER):
    WELL |= {
        f"up{{{_who}}}": "1x60",
        f"notifications_ready{{{_who}}}": "1x60",
        f"notifications_redis_connected{{{_who}}}": "1x60",
        f"notifications_redis_flowing{{{_who}}}": "1x60",
        f"notifications_redis_reconnects_total{{{_who}}}": "0x60",
        f'notifications_redis_canary_seconds_bucket{{{_who},le="0.001"}}': "0+12x60",
        f'notifications_redis_canary_seconds_bucket{{{_who},le="2.5"}}': "0+12x60",
        f'notifications_redis_canary_seconds_bucket{{{_who},le="+Inf"}}': "0+12x60",
        f'notifications_events_invalid_total{{{_who},reason="not_json"}}': "0x60",
        f'notifications_shard_loop_lag_seconds{{{_who},shard="0"}}': "0.001x60",
        f'notifications_delivery_seconds_bucket{{{_who},le="0.01"}}': "0+12x60",
        f'notifications_delivery_seconds_bucket{{{_who},le="2.5"}}': "0+12x60",
        f'notifications_delivery_seconds_bucket{{{_who},le="+Inf"}}': "0+12x60",
        f"notifications_journal_lag_seconds{{{_who}}}": "0x60",
        f"notifications_journal_read_age_seconds{{{_who}}}": "4x60",
        f"notifications_replay_gaps_total{{{_who}}}": "0+0.2x60",
        f'notifications_journal_legacy_total{{{_who},outcome="appended"}}': "0+60x60",
        f'notifications_journal_legacy_total{{{_who},outcome="dropped"}}': "0x60",
        f"notifications_draining{{{_who}}}": "0x60",
    }
for _who in (_EDGE_1, _EDGE_2):
    WELL |= {
        f'notifications_slow_evictions_total{{{_who},front="socketio"}}': "0x60",
        f"notifications_tcp_refused_total{{{_who}}}": "0x60",
        f'notifications_connects_total{{{_who},front="socketio"}}': "0+60x60",
        f'notifications_connections{{{_who},kind="websocket"}}': "5000x60",
        f"notifications_connection_limit{{{_who}}}": "20000x60",
        f'notifications_disconnects_total{{{_who},reason="client_closed"}}': "0+60x60",
        f'notifications_disconnects_total{{{_who},reason="ping_timeout"}}': "0+5x60",
        f'notifications_disconnects_total{{{_who},reason="violation_invalid_payload"}}': "0x60",
        f'notifications_disconnects_total{{{_who},reason="gap"}}': "0x60",
    }
WELL |= {
    f'notifications_grpc_publishes_total{{{_SERVER},outcome="ok"}}': "0+60x60",
    f'notifications_grpc_publishes_total{{{_SERVER},outcome="unavailable"}}': "0x60",
    'envoy_cluster_membership_healthy{job="envoy",instance="envoy",envoy_cluster_name="edge"}': "2x60",
    'envoy_cluster_circuit_breakers_default_cx_open{job="envoy",instance="envoy",envoy_cluster_name="edge"}': "0x60",
    'envoy_http_downstream_cx_active{job="envoy",instance="envoy",envoy_http_conn_manager_prefix="public"}': "10000x60",
}

# What has to be different (a part of the series' text) for each alert to fire, alone or with others.
TROUBLE = {
    "NotificationsProcessDown": {"up{" + _EDGE_1: "0x60"},
    "NotificationsNotReady": {"notifications_ready{" + _EDGE_1: "0x60"},
    "NotificationsNobodyReady": {"notifications_ready{" + _SERVER: "0x60"},
    "NotificationsRedisAway": {"notifications_redis_connected{" + _EDGE_1: "0x60"},
    "NotificationsRedisSilent": {"notifications_redis_flowing{" + _EDGE_1: "0x60"},
    "NotificationsRedisFlapping": {"notifications_redis_reconnects_total{" + _EDGE_1: "0+1x60"},
    "NotificationsRedisSlow": {'seconds_bucket{' + _SERVER + ',le="0.001"': "0x60"},
    "NotificationsInvalidEnvelopes": {"notifications_events_invalid_total{" + _EDGE_1: "0+30x60"},
    "NotificationsSlowConsumers": {"notifications_slow_evictions_total{" + _EDGE_1: "0+900x60"},
    "NotificationsPublishesFail": {'outcome="unavailable"': "0+10x60"},
    "NotificationsConnectionsRefused": {"notifications_tcp_refused_total{" + _EDGE_2: "0+1x60"},
    "NotificationsNearConnectionLimit": {"notifications_connection_limit{" + _EDGE_2: "6000x60"},
    "NotificationsDeliverySlow": {'delivery_seconds_bucket{' + _EDGE_1 + ',le="0.01"': "0x60"},
    "NotificationsShardBusy": {"notifications_shard_loop_lag_seconds{" + _EDGE_2: "0.6x60"},
    "NotificationsJournalBehind": {"notifications_journal_lag_seconds{" + _EDGE_1: "25x60"},
    "NotificationsGaps": {"notifications_replay_gaps_total{" + _EDGE_1: "0+30x60"},
    "NotificationsNotJournaled": {_EDGE_2 + ',outcome="dropped"': "0+1x60"},
    "NotificationsDrainStuck": {"notifications_draining{" + _EDGE_1: "1x60"},
    "NotificationsReconnectStorm": {"notifications_connects_total{" + _EDGE_1: "0+12000x60"},
    "NotificationsBrowsersVanish": {'reason="ping_timeout"': "0+600x60"},
    "NotificationsProtocolViolations": {'reason="violation_invalid_payload"': "0+120x60"},
    "NotificationsEdgesUneven": {'notifications_connections{' + _EDGE_2: "100x60"},
    "EnvoyNoHealthyUpstream": {"envoy_cluster_membership_healthy": "0x60"},
    "EnvoyCircuitBreakerOpen": {"envoy_cluster_circuit_breakers_default_cx_open": "1x60"},
    "EnvoyNearConnectionLimit": {"envoy_http_downstream_cx_active": "45000x60"},
}


def _fires(changes: dict) -> dict:
    series = dict(WELL)
    for part, values in changes.items():
        matching = [name for name in series if part in name]
        assert matching, f"no series has {part}"
        series |= dict.fromkeys(matching, values)
    return series


def _promtool(*args: str) -> subprocess.CompletedProcess:
    if not shutil.which("promtool"):
        raise FileNotFoundError("promtool is missing: apt-get install prometheus")
    return subprocess.run(["promtool", *args], capture_output=True, text=True, check=False)


class PrometheusTest(unittest.TestCase):
    def test_configuration_and_rules_are_valid(self):
        for args in (("check", "config", str(ROOT / "compose/prometheus/prometheus.yml")),
                     ("check", "rules", str(ROOT / "compose/prometheus/alerts.yml"))):
            ended = _promtool(*args)
            self.assertEqual(ended.returncode, 0, ended.stdout + ended.stderr)

    def test_broken_rules_are_caught(self):
        for breakage in ("sum by (job) (up", "rate(up)", "up{job=~\"(\"}"):
            rules = copy.deepcopy(ALERTS)
            rules["groups"][0]["rules"][0]["expr"] = breakage
            with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
                yaml.safe_dump(rules, file)
                file.flush()
                self.assertNotEqual(_promtool("check", "rules", file.name).returncode, 0, breakage)

    def test_every_alert_says_what_it_is_and_how_urgent(self):
        names = [rule["alert"] for rule in RULES]
        self.assertEqual(len(set(names)), len(names))
        for rule in RULES:
            self.assertIn(rule["labels"]["severity"], ("page", "ticket"), rule["alert"])
            self.assertTrue(rule["annotations"]["summary"], rule["alert"])

    def test_the_guide_has_a_section_for_each_alert_and_for_nothing_else(self):
        guide = (ROOT / "OPERATIONS.md").read_text()
        sections = re.findall(r"^### (\w+)$", guide.split("\n## Alerts\n")[1], re.MULTILINE)
        self.assertEqual(sorted(sections), sorted(rule["alert"] for rule in RULES))
        # Its links within itself lead somewhere.
        headings = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")
                    for heading in re.findall(r"^#+ (.+)$", guide, re.MULTILINE)}
        for anchor in re.findall(r"\]\(#([^)]+)\)", guide):
            self.assertIn(anchor, headings)

    def test_nothing_fires_while_all_is_well_and_each_alert_fires_for_its_trouble(self):
        self.assertEqual({rule["alert"] for rule in RULES}, set(TROUBLE))
        tests = [self._case("all is well", WELL, 'ALERTS{alertstate="firing"}', [])]
        for alert, changes in TROUBLE.items():
            expression = f'count by (alertname) (ALERTS{{alertstate="firing",alertname="{alert}"}}) > bool 0'
            samples = [{"labels": f'{{alertname="{alert}"}}', "value": 1}]
            tests.append(self._case(alert, _fires(changes), expression, samples))
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "alerts_test.yml"
            file.write_text(yaml.safe_dump({
                "rule_files": [str(ROOT / "compose/prometheus/alerts.yml")],
                "evaluation_interval": "15s", "tests": tests}))
            ended = _promtool("test", "rules", str(file))
        self.assertEqual(ended.returncode, 0, ended.stdout + ended.stderr)

    @staticmethod
    def _case(name: str, series: dict, expression: str, samples: list) -> dict:
        return {
            "name": name, "interval": "1m",
            "input_series": [{"series": key, "values": value} for key, value in series.items()],
            "promql_expr_test": [{"expr": expression, "eval_time": "45m", "exp_samples": samples}],
        }

    def test_scrapes_the_ports_that_the_topology_shows(self):
        services = read_yaml("compose/docker-compose.e2e.yml")["services"]
        known = {}
        for name, service in services.items():
            aliases = service.get("networks", {}).get("default", {}).get("aliases", [])
            for arg in service.get("command", []):
                if arg.startswith("--admin_listen="):
                    known |= dict.fromkeys([name, *aliases], int(arg.rsplit(":", 1)[1]))
        known["envoy"] = 9902
        for job in read_yaml("compose/prometheus/prometheus.yml")["scrape_configs"]:
            for entry in job["dns_sd_configs"]:
                self.assertEqual(known[entry["names"][0]], entry["port"], job["job_name"])


def _panels(dashboard: dict) -> list[dict]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def _expressions(dashboard: dict) -> list[str]:
    return [target["expr"] for panel in _panels(dashboard) for target in panel["targets"]]


def _layout_problems(dashboard: dict) -> list[str]:
    found = []
    taken = {}
    for panel in dashboard["panels"]:
        where = panel["gridPos"]
        if where["x"] + where["w"] > 24:
            found.append(f"{panel['title']} is wider than the page")
        for x in range(where["x"], where["x"] + where["w"]):
            for y in range(where["y"], where["y"] + where["h"]):
                if (x, y) in taken:
                    found.append(f"{panel['title']} lies on {taken[x, y]}")
                taken[x, y] = panel["title"]
    ids = [panel["id"] for panel in dashboard["panels"]]
    found += [f"two panels have the id {one}" for one in set(ids) if ids.count(one) > 1]
    return found


class GrafanaTest(unittest.TestCase):
    def test_dashboard_is_whole(self):
        self.assertEqual(_layout_problems(DASHBOARD), [])
        variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
        for panel in _panels(DASHBOARD):
            self.assertTrue(panel["targets"], panel["title"])
            references = [target["refId"] for target in panel["targets"]]
            self.assertEqual(len(set(references)), len(references), panel["title"])
        for expression in _expressions(DASHBOARD):
            used = set(re.findall(r"\$(\w+)", expression)) - {"__rate_interval"}
            self.assertLessEqual(used, variables, expression)

    def test_broken_layout_is_caught(self):
        broken = copy.deepcopy(DASHBOARD)
        broken["panels"][1]["gridPos"]["w"] = 25
        broken["panels"][2]["id"] = broken["panels"][3]["id"]
        found = "\n".join(_layout_problems(broken))
        for part in ("wider than", "lies on", "have the id"):
            self.assertIn(part, found)

    def test_dashboard_asks_a_datasource_that_is_provisioned(self):
        (source,) = read_yaml("compose/grafana/provisioning/datasources/prometheus.yml")["datasources"]
        asked = set(re.findall(r'"type":\s*"prometheus",\s*"uid":\s*"([^"]+)"', json.dumps(DASHBOARD)))
        self.assertEqual(asked, {source["uid"]})
        services = read_yaml("compose/docker-compose.e2e.yml")["services"]
        self.assertEqual(source["url"], "http://prometheus:9090")
        self.assertIn("prometheus", services)
        (provider,) = read_yaml("compose/grafana/provisioning/dashboards/notifications.yml")["providers"]
        mounts = [mount.split(":")[1] for mount in services["grafana"]["volumes"]]
        self.assertIn(provider["options"]["path"], mounts)

    def test_every_query_parses(self):
        rules = [{"record": f"query:{index}", "expr": re.sub(r"\$__rate_interval", "1m", expression)}
                 for index, expression in enumerate(_expressions(DASHBOARD))]
        self.assertGreater(len(rules), 30)
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}, file)
            file.flush()
            ended = _promtool("check", "rules", file.name)
        self.assertEqual(ended.returncode, 0, ended.stdout + ended.stderr)


if __name__ == "__main__":
    unittest.main()
