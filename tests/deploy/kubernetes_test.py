"""compose/kubernetes: Kubernetes' types, references between the objects, and clocks that fit."""

import copy
import re
import unittest

from support import kubernetes_types
from support.files import ROOT, read_all_yaml, read_yaml, seconds

FILES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "compose/kubernetes").glob("*.yaml"))
OBJECTS = [document for file in FILES for document in read_all_yaml(file)]

# What a program takes beyond --drain before it cuts what is left (core/runtime/process.cc).
DRAIN_MARGIN = 2


def of_kind(objects: list, kind: str) -> list[dict]:
    return [item for item in objects if item["kind"] == kind]


def named(objects: list, kind: str, name: str) -> dict:
    (found,) = [item for item in of_kind(objects, kind) if item["metadata"]["name"] == name]
    return found


def matches(selector: dict, labels: dict) -> bool:
    return selector.items() <= labels.items()


def pods(objects: list) -> list[tuple[str, dict]]:
    return [(item["metadata"]["name"], item["spec"]["template"]) for item in of_kind(objects, "Deployment")]


def references(objects: list) -> list[str]:
    """Names and labels that lead nowhere."""
    found = []
    all_labels = [template["metadata"]["labels"] for _, template in pods(objects)]

    def selects(what: str, selector: dict) -> None:
        if not any(matches(selector, labels) for labels in all_labels):
            found.append(f"{what} selects no pod")

    for item in objects:
        what = f"{item['kind']} {item['metadata']['name']}"
        if item["kind"] != "Namespace" and item["metadata"].get("namespace") != "notifications":
            found.append(f"{what} is in no namespace of ours")
        spec = item.get("spec", {})
        if item["kind"] == "Deployment":
            if not matches(spec["selector"]["matchLabels"], spec["template"]["metadata"]["labels"]):
                found.append(f"{what} does not select its own pods")
            found += _pod_references(what, spec["template"], objects)
        elif item["kind"] == "Service" and spec.get("type") != "ExternalName":
            selects(what, spec["selector"])
            ports = {port["name"] for _, template in pods(objects)
                     if matches(spec["selector"], template["metadata"]["labels"])
                     for port in template["spec"]["containers"][0]["ports"]}
            found += [f"{what}: no port {port['targetPort']}" for port in spec["ports"]
                      if port["targetPort"] not in ports]
        elif item["kind"] == "PodDisruptionBudget":
            selects(what, spec["selector"]["matchLabels"])
        elif item["kind"] == "NetworkPolicy" and spec["podSelector"]:
            selects(what, spec["podSelector"]["matchLabels"])
        elif item["kind"] == "HorizontalPodAutoscaler":
            target = spec["scaleTargetRef"]
            scaled = [one for one in of_kind(objects, target["kind"])
                      if one["metadata"]["name"] == target["name"]]
            if not scaled:
                found.append(f"{what} scales nothing")
            elif "replicas" in scaled[0]["spec"]:
                found.append(f"{what} and {target['name']} both set replicas")
    return found


def _pod_references(what: str, template: dict, objects: list) -> list[str]:
    found = []
    (container,) = template["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        if probe not in container:
            found.append(f"{what} has no {probe}")
        elif container[probe]["httpGet"]["port"] not in ports:
            found.append(f"{what}: {probe} asks port {container[probe]['httpGet']['port']}")
    for argument in container.get("args", []):
        port = re.search(r"_?listen=.*:(\d+)$", argument)
        if port and int(port[1]) not in ports.values():
            found.append(f"{what}: {argument} is no port of the container")
    maps = {item["metadata"]["name"] for item in of_kind(objects, "ConfigMap")}
    found += [f"{what}: no ConfigMap {source['configMapRef']['name']}"
              for source in container.get("envFrom", []) if source["configMapRef"]["name"] not in maps]
    annotations = template["metadata"]["annotations"]
    if int(annotations["prometheus.io/port"]) not in ports.values():
        found.append(f"{what}: is scraped on a port it has not")
    return found


def clocks(objects: list) -> list[str]:
    """Grace periods that end before the work does, and probes that restart for the wrong reason."""
    found = []
    settings = named(objects, "ConfigMap", "notifications-settings")["data"]
    for name, template in pods(objects):
        (container,) = template["spec"]["containers"]
        command = " ".join(container["lifecycle"]["preStop"]["exec"]["command"])
        sleeps = sum(int(number) for number in re.findall(r"sleep (\d+)", command))
        drains = seconds(settings["DRAIN"]) + DRAIN_MARGIN if name != "envoy" else 0
        grace = template["spec"].get("terminationGracePeriodSeconds", 30)
        if grace < sleeps + drains + 5:
            found.append(f"{name}: {grace} s of grace for {sleeps} s of preStop and {drains} s of draining")
        if name != "envoy" and container["livenessProbe"]["httpGet"]["path"] != "/healthz":
            found.append(f"{name}: is restarted when it is not ready")
        if name != "envoy" and container["readinessProbe"]["httpGet"]["path"] != "/readyz":
            found.append(f"{name}: is ready when no events flow")
    return found


def confinement(objects: list) -> list[str]:
    """Pods that may do more than they have to."""
    found = []
    for name, template in pods(objects):
        spec = template["spec"]
        (container,) = spec["containers"]
        inner, outer = container.get("securityContext", {}), spec.get("securityContext", {})
        wanted = {
            "runs as root": outer.get("runAsNonRoot") is True and outer.get("runAsUser", 0) > 0,
            "has no seccomp profile": outer.get("seccompProfile", {}).get("type") == "RuntimeDefault",
            "may gain privileges": inner.get("allowPrivilegeEscalation") is False,
            "may write to its root": inner.get("readOnlyRootFilesystem") is True,
            "keeps capabilities": inner.get("capabilities", {}).get("drop") == ["ALL"],
            "has a token of the cluster": spec.get("automountServiceAccountToken") is False,
            "gets Services as environment": spec.get("enableServiceLinks") is False,
            "has no memory limit": "memory" in container["resources"].get("limits", {}),
            "has an image without version": not container["image"].endswith(":latest")
                                            and ":" in container["image"],
        }
        found += [f"{name} {problem}" for problem, fine in wanted.items() if not fine]
    return found


def edited(kind: str, name: str, path: str, value) -> list:
    objects = copy.deepcopy(OBJECTS)
    node = named(objects, kind, name)
    *parents, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    for key in parents:
        node = node[key]
    if value is None:
        del node[last]
    else:
        node[last] = value
    return objects


_POD = "spec.template.spec"
_CONTAINER = f"{_POD}.containers.0"
AGAINST_THE_TYPES = {
    "misspelt field": ("Deployment", "edge", f"{_CONTAINER}.resorces", {}, "no field resorces"),
    "field at the wrong level": ("Deployment", "edge", f"{_CONTAINER}.terminationGracePeriodSeconds", 45, "no field"),
    "text for a number": ("Deployment", "server", "spec.replicas", "2", "is no number"),
    "number for text": ("ConfigMap", "notifications-settings", "data.PORT", 3011, "is no string"),
    "yes for text": ("ConfigMap", "notifications-settings", "data.NOTIFICATIONS_JOURNAL", True, "is no string"),
    "missing field": ("Deployment", "edge", "spec.selector", None, "selector is required"),
    "old version": ("PodDisruptionBudget", "edge", "apiVersion", "policy/v1beta1", "no apiVersion"),
    "wrong group": ("HorizontalPodAutoscaler", "edge", "apiVersion", "autoscaling/v3", "no apiVersion"),
    "wrong kind": ("Service", "edge", "kind", "Servce", "no Servce"),
    "bad quantity": ("Deployment", "edge", f"{_CONTAINER}.resources.limits.memory", "2 Gi", "no quantity"),
    "map for a list": ("Service", "edge", "spec.ports", {"port": 1}, "no list"),
}
AGAINST_SENSE = {
    "selector of nobody": ("Service", "edge", "spec.selector", {"app": "edge"}, "selects no pod"),
    "selector of others": ("Deployment", "edge", "spec.selector.matchLabels", {"a": "b"}, "its own pods"),
    "port of nobody": ("Service", "edge", "spec.ports.0.targetPort", "http", "no port http"),
    "probe of nobody": ("Deployment", "edge", f"{_CONTAINER}.livenessProbe.httpGet.port", "health", "asks port"),
    "map of nobody": ("Deployment", "edge", f"{_CONTAINER}.envFrom.0.configMapRef.name", "x", "no ConfigMap"),
    "scales nothing": ("HorizontalPodAutoscaler", "edge", "spec.scaleTargetRef.name", "edges", "scales nothing"),
    "two owners of replicas": ("Deployment", "edge", "spec.replicas", 3, "both set replicas"),
    "default grace": ("Deployment", "edge", f"{_POD}.terminationGracePeriodSeconds", None, "s of grace"),
    "longer drain": ("ConfigMap", "notifications-settings", "data.DRAIN", "60s", "s of grace"),
    "restart for Redis": ("Deployment", "edge", f"{_CONTAINER}.livenessProbe.httpGet.path", "/readyz", "restarted when"),
    "root": ("Deployment", "server", f"{_POD}.securityContext.runAsUser", 0, "runs as root"),
    "writable root": ("Deployment", "server", f"{_CONTAINER}.securityContext.readOnlyRootFilesystem", False, "may write"),
    "no limit": ("Deployment", "server", f"{_CONTAINER}.resources.limits", {}, "no memory limit"),
    "latest": ("Deployment", "envoy", f"{_CONTAINER}.image", "envoy:latest", "without version"),
    "wrong namespace": ("Service", "edge", "metadata.namespace", "default", "no namespace of ours"),
}


def sense(objects: list) -> list[str]:
    return references(objects) + clocks(objects) + confinement(objects)


class KubernetesTest(unittest.TestCase):
    def test_objects_are_of_kubernetes_types(self):
        self.assertGreater(len(OBJECTS), 15)
        for item in OBJECTS:
            self.assertEqual(kubernetes_types.problems(item), [])

    def test_objects_fit_together(self):
        self.assertEqual(sense(OBJECTS), [])

    def test_mistakes_against_the_types_are_caught(self):
        for name, (kind, which, path, value, expected) in AGAINST_THE_TYPES.items():
            with self.subTest(name):
                found = [problem for item in edited(kind, which, path, value)
                         for problem in kubernetes_types.problems(item)]
                self.assertIn(expected, "\n".join(found))

    def test_mistakes_against_sense_are_caught(self):
        for name, (kind, which, path, value, expected) in AGAINST_SENSE.items():
            with self.subTest(name):
                self.assertIn(expected, "\n".join(sense(edited(kind, which, path, value))))

    def test_services_have_the_names_and_ports_that_envoy_uses(self):
        for cluster in read_yaml("envoy/envoy.yaml")["static_resources"]["clusters"]:
            for group in cluster["load_assignment"]["endpoints"]:
                for entry in group["lb_endpoints"]:
                    address = entry["endpoint"]["address"]["socket_address"]
                    if address["address"] == "127.0.0.1":
                        continue
                    service = named(OBJECTS, "Service", address["address"])
                    if service["spec"].get("type") == "ExternalName":
                        continue
                    ports = [port["port"] for port in service["spec"]["ports"]]
                    self.assertIn(address["port_value"], ports)
                    self.assertIn(entry["endpoint"]["health_check_config"]["port_value"], ports)

    def test_envoys_memory_limit_leaves_room_above_its_heap(self):
        monitors = read_yaml("envoy/envoy.yaml")["overload_manager"]["resource_monitors"]
        (heap,) = [monitor["typed_config"]["max_heap_size_bytes"] for monitor in monitors
                   if "max_heap_size_bytes" in monitor["typed_config"]]
        limit = named(OBJECTS, "Deployment", "envoy")["spec"]["template"]["spec"]["containers"][0][
            "resources"]["limits"]["memory"]
        self.assertTrue(limit.endswith("Gi"))
        self.assertGreaterEqual(int(limit.removesuffix("Gi")) * 2**30, heap * 1.2)

    def test_network_policies_open_the_ports_that_are_used_and_no_others(self):
        for name, template in pods(OBJECTS):
            labels = template["metadata"]["labels"]
            declared = {port["containerPort"] for port in template["spec"]["containers"][0]["ports"]}
            opened = {port["port"] for policy in of_kind(OBJECTS, "NetworkPolicy")
                      if policy["spec"]["podSelector"]
                      and matches(policy["spec"]["podSelector"]["matchLabels"], labels)
                      for rule in policy["spec"]["ingress"] for port in rule["ports"]}
            self.assertEqual(opened, declared, name)


if __name__ == "__main__":
    unittest.main()
