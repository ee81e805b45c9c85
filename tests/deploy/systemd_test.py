"""compose/systemd: systemd's own reading of the units, their hardening, and settings the programs know."""

import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from support.files import BIN, ROOT, seconds

FOLDER = ROOT / "compose/systemd"
UNITS = sorted(FOLDER.glob("*.service"))
# systemd's measure, 0 to 10, times ten; what is left is mostly that a server uses the network.
MOST_EXPOSED = 20


def analyze(command: str, text: str, name: str, *flags: str) -> tuple[int, str]:
    """systemd-analyze on a unit whose program and settings are found on this machine."""
    with tempfile.TemporaryDirectory() as folder:
        unit = pathlib.Path(folder) / name
        environment = pathlib.Path(folder) / "env"
        environment.touch()
        unit.write_text(re.sub(r"^EnvironmentFile=.*$", f"EnvironmentFile={environment}",
                               text.replace("ExecStart=/usr/bin/", f"ExecStart={BIN}/"), flags=re.M))
        ended = subprocess.run(["systemd-analyze", command, *flags, str(unit)], capture_output=True,
                               text=True, check=False, env={"PATH": "/usr/bin:/bin", "SYSTEMD_PAGER": "cat"})
    return ended.returncode, (ended.stdout + ended.stderr).strip()


def value(text: str, key: str) -> str:
    return re.findall(rf"^{key}=(.*)$", text, re.M)[-1]


@unittest.skipUnless(shutil.which("systemd-analyze"), "there is no systemd here")
class SystemdTest(unittest.TestCase):
    def test_units_verify_without_a_word(self):
        self.assertEqual([unit.name for unit in UNITS],
                         ["notifications-edge.service", "notifications-server.service"])
        for unit in UNITS:
            self.assertEqual(analyze("verify", unit.read_text(), unit.name), (0, ""))

    def test_mistakes_are_caught(self):
        text = UNITS[0].read_text()
        for old, new in (("PrivateDevices=", "PrivateDevicez="), ("TimeoutStopSec=45", "TimeoutStopSec=4 parsecs"),
                         ("@system-service", "@system-servic"), ("ExecStart=/usr/bin/", "ExecStart=bin/"),
                         ("[Service]", "[Servcie]")):
            self.assertIn(old, text)
            code, said = analyze("verify", text.replace(old, new), UNITS[0].name)
            self.assertTrue(code or said, new)

    def test_units_are_hardened(self):
        for unit in UNITS:
            code, said = analyze("security", unit.read_text(), unit.name, "--offline=yes",
                                 f"--threshold={MOST_EXPOSED}")
            self.assertEqual(code, 0, said[-500:])
        weaker = re.sub(r"^(ProtectSystem|DynamicUser|SystemCallFilter|CapabilityBoundingSet)=.*\n", "",
                        UNITS[0].read_text(), flags=re.M)
        code, _ = analyze("security", weaker, UNITS[0].name, "--offline=yes", f"--threshold={MOST_EXPOSED}")
        self.assertNotEqual(code, 0, "a weaker unit is over the threshold")

    def test_programs_are_given_the_time_to_drain(self):
        for unit in UNITS:
            text = unit.read_text()
            settings = (FOLDER / pathlib.Path(value(text, "EnvironmentFile")).name).read_text()
            self.assertGreaterEqual(seconds(value(text, "TimeoutStopSec") + "s"),
                                    seconds(value(settings, "DRAIN")) + 2 + 5)

    def test_settings_are_known_to_the_programs(self):
        for unit in UNITS:
            text = unit.read_text()
            program = pathlib.Path(value(text, "ExecStart")).name
            settings = (FOLDER / pathlib.Path(value(text, "EnvironmentFile")).name).read_text()
            if not (BIN / program).exists():
                raise FileNotFoundError(f"{program} is not built in {BIN}")
            usage = subprocess.run([BIN / program, "--help"], capture_output=True, text=True, check=True).stdout
            keys = re.findall(r"^(\w+)=", settings, re.M)
            self.assertGreater(len(keys), 3)
            for key in keys:
                self.assertRegex(usage, rf"\b{key}\b", f"{program}: {key}")


if __name__ == "__main__":
    unittest.main()
