"""A Dockerfile's stages, as far as the checks ask for them."""

import json
import re
from dataclasses import dataclass, field

from .files import ROOT

_BASES = re.compile(r"^ARG (\w+)=(\S+)$", re.M)


@dataclass
class Stage:
    name: str
    base: str                                            # another stage, or an image
    lines: list[str] = field(default_factory=list)       # instructions, continued lines joined

    def all(self, instruction: str) -> list[str]:
        return [line.split(None, 1)[1] for line in self.lines if line.split(None, 1)[0] == instruction]

    def last(self, instruction: str) -> str | None:
        return (self.all(instruction) or [None])[-1]

    def installs(self) -> set[str]:
        """The Debian packages that its RUN lines install."""
        found = set()
        for line in self.all("RUN"):
            for words in re.findall(r"apt-get install ([^&]*)", line):
                found |= {word for word in words.split() if not word.startswith("-")}
        return found


def parse(text: str) -> dict[str, Stage]:
    arguments = dict(_BASES.findall(text))
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.M)
    text = re.sub(r"\\\n\s*", " ", text)
    stages = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        start = re.fullmatch(r"FROM (\S+) AS (\S+)", line)
        if start:
            base = re.sub(r"\$\{(\w+)\}", lambda match: arguments[match[1]], start[1])
            stages[start[2]] = Stage(start[2], base)
        elif stages:
            stages[next(reversed(stages))].lines.append(line)
    return stages


class Dockerfile:
    def __init__(self, text: str):
        self.text = text
        self.stages = parse(text)

    @staticmethod
    def read(path: str) -> "Dockerfile":
        return Dockerfile((ROOT / path).read_text())

    def chain(self, name: str) -> list[Stage]:
        """A stage and the stages it stands on, nearest first."""
        found = []
        while name in self.stages:
            found.append(self.stages[name])
            name = self.stages[name].base
        return found

    def image(self, name: str) -> str:
        """The image below a stage."""
        return self.chain(name)[-1].base

    def effective(self, name: str, instruction: str) -> str | None:
        return next((stage.last(instruction) for stage in self.chain(name)
                     if stage.last(instruction)), None)

    def packages(self, name: str) -> set[str]:
        return set().union(*(stage.installs() for stage in self.chain(name)))

    def program(self, name: str) -> str | None:
        entry = self.effective(name, "ENTRYPOINT")
        return json.loads(entry)[0].rsplit("/", 1)[-1] if entry else None
