"""compose/Dockerfile: lint, what its stages need, and the programs under the constraints of a container."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from support.dockerfile import Dockerfile
from support.files import BIN, NODE_MODULES, ROOT

FILE = "compose/Dockerfile"
IMAGES = Dockerfile.read(FILE)
PROGRAMS = {"edge": "notifications-edge", "server": "notifications-server",
            "gateway": "notifications-gateway", "platform-server": "platform-server"}
SHIPPED = [*PROGRAMS, "envoy"]
HEALTHCHECK = ROOT / "compose/healthcheck.sh"


def lint(text: str) -> str:
    """What the linter says; empty if it is content."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "Dockerfile"
        file.write_text(text)
        ended = subprocess.run([NODE_MODULES / ".bin/dockerfile-utils", "lint", file],
                               capture_output=True, text=True, check=False)
    return (ended.stdout + ended.stderr).strip()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(what: str, condition, deadline: float = 10):
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what}: not so within {deadline} s")


def healthy(port: int, path: str = "/healthz") -> bool:
    return subprocess.run([HEALTHCHECK, str(port), path], capture_output=True, check=False,
                          timeout=5).returncode == 0


class DockerfileTest(unittest.TestCase):
    def test_lint_is_content(self):
        self.assertEqual(lint(IMAGES.text), "")

    def test_mistakes_are_caught_by_lint(self):
        for old, new in (("ENTRYPOINT", "ENTRYPONT"), ("--interval=10s", "--interval=10x"),
                         ("EXPOSE 3011 9464", "EXPOSE http"), ("STOPSIGNAL SIGTERM", "STOPSIGNAL")):
            self.assertIn(old, IMAGES.text)
            self.assertNotEqual(lint(IMAGES.text.replace(old, new)), "", new)

    def test_bases_are_pinned(self):
        for name in IMAGES.stages:
            self.assertRegex(IMAGES.image(name), r":v?\d+\.\d+", name)
        self.assertTrue(IMAGES.image("edge").startswith("debian:12."))
        self.assertEqual(IMAGES.image("build"), IMAGES.image("edge"), "built where it runs")

    def test_shipped_images_run_as_nobody_and_are_watched(self):
        for name in SHIPPED:
            user = IMAGES.effective(name, "USER")
            self.assertRegex(user, r"^[1-9]\d*:[1-9]\d*$", name)
            entry = json.loads(IMAGES.effective(name, "ENTRYPOINT"))
            self.assertTrue(entry[0].startswith("/"), "the exec form, so that signals reach the program")
            check = IMAGES.effective(name, "HEALTHCHECK")
            _, port, path = json.loads(check.split("CMD ")[1])
            self.assertIn(port, IMAGES.effective(name, "EXPOSE").split(), name)
            self.assertTrue(path.startswith("/"))
        for name in PROGRAMS:
            self.assertEqual(IMAGES.effective(name, "STOPSIGNAL"), "SIGTERM")

    def test_shipped_images_hold_no_compiler(self):
        for name in PROGRAMS:
            self.assertFalse({package for package in IMAGES.packages(name)
                              if package.endswith("-dev") or package in ("g++", "cmake")}, name)
        self.assertFalse({package for package in IMAGES.packages("edge") if "grpc" in package})

    def test_copies_what_is_there_and_what_is_built(self):
        ignored = (ROOT / f"{FILE}.dockerignore").read_text().splitlines()
        allowed = [line[1:] for line in ignored if line.startswith("!")]
        built = " ".join(IMAGES.stages["build"].all("RUN"))
        for stage in IMAGES.stages.values():
            for line in stage.all("COPY"):
                words = line.split()
                sources = [word for word in words if not word.startswith("--")][:-1]
                origin = [word.split("=")[1] for word in words if word.startswith("--from=")]
                if origin:
                    self.assertIn(origin[0], IMAGES.stages)
                    for source in sources if origin[0] == "build" else []:
                        made = {"notifications.pb": "envoy_descriptor_set"}.get(source.split("/")[-1],
                                                                                 source.split("/")[-1])
                        self.assertIn(f" {made}", built, f"{stage.name}: {source}")
                    continue
                for source in sources:
                    self.assertTrue((ROOT / source).exists(), f"{stage.name}: {source}")
                    self.assertTrue(any(source == one or source.startswith(one + "/") for one in allowed),
                                    f"{source} is left out by {FILE}.dockerignore")

    def test_builds_with_the_packages_of_a_developers_machine(self):
        script = (ROOT / "scripts/deps.sh").read_text()
        developers = set(re.search(r"build_packages=\((.*?)\)", script, re.S)[1].split())
        self.assertEqual(developers - IMAGES.packages("build"), {"ccache", "git"})

    def test_the_build_has_all_its_sources_and_targets(self):
        """Configures as the build stage does, in a folder that holds what it copies and no more."""
        with tempfile.TemporaryDirectory() as folder:
            here = pathlib.Path(folder)
            for line in IMAGES.stages["build"].all("COPY"):
                *sources, target = [word for word in line.split() if not word.startswith("--")]
                for source in sources:
                    place = here / target / pathlib.Path(source).name if target == "./" else here / target
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.symlink_to(ROOT / source.removeprefix("/src/"))
            (run,) = [line for line in IMAGES.stages["build"].all("RUN") if line.startswith("cmake")]
            configure, build, _ = [part.split() for part in run.split("&&")]
            tree = str(here / "tree")
            # Not `-n`: a dry run ends before it looks at its targets.
            for command in (configure, [*build[:3], "-t", "query", *build[3:]]):
                ended = subprocess.run([tree if word == "/build" else word for word in command], cwd=here,
                                       capture_output=True, text=True, check=False)
                self.assertEqual(ended.returncode, 0, (ended.stdout + ended.stderr)[-800:])

    def test_the_test_runner_holds_all_that_its_tests_import(self):
        """Starts the runner's tests in a folder that holds what the image copies and no more."""
        stage = IMAGES.stages["test-runner"]
        with tempfile.TemporaryDirectory() as folder:
            here = pathlib.Path(folder)
            copies = [line for name in ("npm", "test-runner") for line in IMAGES.stages[name].all("COPY")]
            for line in copies:
                *sources, target = [word for word in line.split() if not word.startswith("--")]
                for source in sources:
                    if (ROOT / source).is_dir():
                        shutil.copytree(ROOT / source, here / target)
                    else:
                        shutil.copy(ROOT / source, here)
            (here / "node_modules").symlink_to(NODE_MODULES)
            (command,) = stage.all("CMD")
            # Nobody answers at that address: it is all that may be wrong.
            ended = subprocess.run(json.loads(command), cwd=here, capture_output=True, text=True, check=False,
                                   timeout=120, env={**os.environ, "STACK_URL": "http://127.0.0.1:1", "NOTIFICATIONS_PATIENCE": "0.02"})
            self.assertNotEqual(ended.returncode, 0)
            self.assertIn("the stack answers: not so within", ended.stdout)
            self.assertNotRegex(ended.stdout + ended.stderr, "ERR_MODULE_NOT_FOUND|ENOENT|Cannot find")

    def test_runtime_packages_bring_every_library(self):
        depends = self._installed_packages()
        for stage, program in PROGRAMS.items():
            copied = re.findall(r"/build/bin/([\w-]+)", " ".join(IMAGES.stages[stage].all("COPY")))
            self.assertIn(program, copied)
            closure = self._closure(IMAGES.packages(stage), depends)
            for name in copied:
                if not (BIN / name).exists():
                    raise FileNotFoundError(f"{name} is not built in {BIN}")
                missing = self._owners(BIN / name) - closure
                self.assertEqual(missing, set(), f"image {stage}: {name}")

    def test_a_missing_library_is_noticed(self):
        closure = self._closure(IMAGES.packages("edge"), self._installed_packages())
        self.assertIn("libgrpc++1.51", self._owners(BIN / "notifications-server") - closure)

    @staticmethod
    def _installed_packages() -> dict[str, set[str]]:
        out = subprocess.run(["dpkg-query", "-W", "-f", "${Package}\t${Pre-Depends}, ${Depends}\n"],
                             capture_output=True, text=True, check=True).stdout
        found = {}
        for line in out.splitlines():
            name, _, needs = line.partition("\t")
            found[name] = set(re.findall(r"(?:^|[,|] *)([a-z0-9][a-z0-9+.-]+)", needs))
        return found

    @staticmethod
    def _closure(packages: set, depends: dict) -> set:
        # Debian's essential packages are in every image.
        closure, open_ = set(), {*packages, "libc6", "bash", "coreutils", "libgcc-s1"}
        while open_:
            name = open_.pop()
            if name not in closure and name in depends:
                closure.add(name)
                open_ |= depends[name]
        return closure

    @staticmethod
    def _owners(program: pathlib.Path) -> set:
        out = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        assert "not found" not in out, out
        paths = re.findall(r"=> (/\S+)", out)
        # Debian 12 has /lib as a link to /usr/lib, and packages that know either name.
        names = {path: {path, os.path.realpath(path), os.path.realpath(path).removeprefix("/usr")}
                 for path in paths}
        known = subprocess.run(["dpkg-query", "-S", *sorted(set().union(*names.values()))],
                               capture_output=True, text=True, check=False).stdout
        owner = {line.split(": ")[1]: line.split(":")[0] for line in known.splitlines()}
        found = {path: {owner[name] for name in names[path] if name in owner} for path in paths}
        assert all(found.values()), found
        return set().union(*found.values())


class HealthcheckTest(unittest.TestCase):
    def test_tells_200_from_everything_else(self):
        answers = {"/healthz": "200 OK", "/readyz": "503 Service Unavailable"}
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            for path, status in answers.items():
                asked = subprocess.Popen([HEALTHCHECK, str(port), path])
                connection, _ = server.accept()
                with connection:
                    request = ""
                    while "\r\n\r\n" not in request:
                        request += connection.recv(4096).decode()
                    connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
                self.assertEqual(asked.wait(5) == 0, status.startswith("200"), path)
                self.assertTrue(request.startswith(f"GET {path} HTTP/1.1\r\n"), request)
            asked = subprocess.Popen([HEALTHCHECK, str(port)], stderr=subprocess.DEVNULL)
            server.accept()[0].close()
            self.assertNotEqual(asked.wait(5), 0, "closed without an answer")
        self.assertFalse(healthy(port), "nobody there")


def can_confine() -> bool:
    return os.geteuid() == 0 and subprocess.run(
        ["unshare", "--pid", "--mount", "--fork", "--mount-proc", "true"],
        capture_output=True, check=False).returncode == 0


@unittest.skipUnless(can_confine(), "namespaces need root")
class ContainedTest(unittest.TestCase):
    """Each program as process 1 of a container: nobody, without capabilities, on a read-only root."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        os.chmod(self.folder.name, 0o755)
        self.addCleanup(self.folder.cleanup)

    def _start(self, program: str, *flags: str) -> subprocess.Popen:
        if not (BIN / program).exists():
            raise FileNotFoundError(f"{program} is not built in {BIN}")
        binary = shutil.copy(BIN / program, self.folder.name)
        os.chmod(binary, 0o755)
        # A bind mount made read-only concerns this namespace alone.
        inside = ("mount --make-rprivate / && mount -o remount,bind,ro / && ! touch /etc/x 2>/dev/null && "
                  "exec setpriv --reuid=65532 --regid=65532 --clear-groups --no-new-privs "
                  "--bounding-set=-all --inh-caps=-all -- \"$@\"")
        self.log = open(pathlib.Path(self.folder.name) / "log", "w+")
        self.addCleanup(self.log.close)
        process = subprocess.Popen(
            ["unshare", "--pid", "--mount", "--fork", "--mount-proc", "--kill-child", "sh", "-c", inside,
             "sh", binary, *flags],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, stdout=self.log, stderr=self.log)
        self.addCleanup(lambda: process.poll() is None and (process.kill(), process.wait()))
        return process

    def _written(self) -> str:
        return (pathlib.Path(self.folder.name) / "log").read_text()

    def _stop(self, process: subprocess.Popen) -> int:
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        (child,) = map(int, children)
        inner = pathlib.Path(f"/proc/{child}/status").read_text()
        self.assertRegex(inner, r"NSpid:\s+\d+\s+1\n", "it is process 1")
        self.assertRegex(inner, r"Uid:\s+65532\s+65532")
        self.assertRegex(inner, r"CapEff:\s+0+\n")
        os.kill(child, signal.SIGTERM)
        return process.wait(10)

    def test_programs_start_live_and_stop_by_sigterm(self):
        admin, public = free_port(), free_port()
        away = "--redis_url=redis://127.0.0.1:1/0"
        cases = {
            "notifications-edge": [away, "--drain=0s", f"--admin_listen=127.0.0.1:{admin}",
                                   f"--listen=127.0.0.1:{public}"],
            "notifications-server": [away, "--drain=0s", f"--admin_listen=127.0.0.1:{admin}",
                                     f"--grpc_listen=127.0.0.1:{public}"],
            "notifications-gateway": ["--drain=0s", f"--admin_listen=127.0.0.1:{admin}",
                                      f"--listen=127.0.0.1:{public}", "--grpc_listen=127.0.0.1:0"],
            "platform-server": [away, f"--listen=127.0.0.1:{admin}"],
        }
        self.assertEqual(set(cases), set(PROGRAMS.values()))
        for program, flags in cases.items():
            with self.subTest(program):
                process = self._start(program, *flags)
                try:
                    until(f"{program} is healthy", lambda: healthy(admin) or process.poll() is not None)
                    self.assertIsNone(process.poll(), self._written())
                    self.assertEqual(self._stop(process), 0, self._written())
                finally:
                    if process.poll() is None:
                        process.kill()
                        process.wait()


if __name__ == "__main__":
    unittest.main()
