"""`make audit`: known holes in what Binnacle is built of and tested with, and under which licences that comes.

Asks PyPI's advisories (pip-audit) about the locked Python packages, and npm's about each lock file of npm. A service
that refuses, or a package that it does not know, counts as not answered, and is said: it is no clean bill. Exit code 1
when something known is found, 0 otherwise.
"""

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from importlib import metadata
from pathlib import Path
from typing import Any, Final, cast

from gateway.graphiql.build import BuildFailedError, Node, find_node, install_packages

ROOT: Final = Path(__file__).parent.parent
NPM_FOLDERS: Final = ("gateway/graphiql", "tests/audits", "tests/clients")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a service said of one list of packages."""

    subject: str
    asked: int
    found: tuple[str, ...] = ()
    not_answered: tuple[str, ...] = ()  # packages, or the one reason for all

    def lines(self) -> Iterator[str]:
        for hole in self.found:
            yield f"✗ {self.subject}: {hole}"
        if len(self.not_answered) == 1:
            yield f"? {self.subject}: not answered: {self.not_answered[0]}"
        elif self.not_answered:
            yield f"? {self.subject}: not answered for {len(self.not_answered)} of {self.asked} packages"
        elif not self.found:
            yield f"✓ {self.subject}: nothing known of {self.asked} packages"


def main(uv: str) -> int:
    verdicts = [python_verdict(uv, "what runs", ("--no-dev",)), python_verdict(uv, "what tests need", ("--only-dev",))]
    try:
        node = find_node()
        for folder in NPM_FOLDERS:
            install_packages(node, ROOT / folder)
        verdicts += [npm_verdict(node, folder) for folder in NPM_FOLDERS]
    except BuildFailedError as failure:
        verdicts.append(Verdict("npm", 0, not_answered=(str(failure),)))
    print("\nAdvisories")
    for verdict in verdicts:
        print(*verdict.lines(), sep="\n")
    for title, licences in (("Python", python_licences()), ("npm", npm_licences())):
        print(f"\nLicences of {title} packages")
        for licence, packages in sorted(licences.items(), key=lambda each: -len(each[1])):
            print(f"  {len(packages):4}  {licence}  ({', '.join(sorted(packages)[:4])}{', …' * (len(packages) > 4)})")
    return 1 if any(verdict.found for verdict in verdicts) else 0


def python_verdict(uv: str, title: str, groups: Sequence[str]) -> Verdict:
    """pip-audit's, of the packages of the lock file."""
    export = (uv, "export", "--frozen", "--no-emit-project", "--quiet", "--format", "requirements-txt", *groups)
    locked = subprocess.run(export, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    asked = sum("==" in line for line in locked.splitlines())
    command = (
        uv,
        "tool",
        "run",
        "--quiet",
        "pip-audit",
        "--requirement",
        "/dev/stdin",
        "--disable-pip",
        "--require-hashes",
    )
    done = subprocess.run(
        [*command, "--format", "json"], cwd=ROOT, input=locked, capture_output=True, text=True, check=False
    )
    return python_answer(f"Python, {title}", asked, done.stdout, done.stderr)


def python_answer(subject: str, asked: int, printed: str, complaints: str) -> Verdict:
    try:
        packages = json.loads(printed)["dependencies"]
    except (ValueError, KeyError):
        return Verdict(subject, asked, not_answered=(_last_line(complaints),))
    return Verdict(
        subject,
        asked,
        tuple(
            f"{package['name']} {package['version']}: {hole['id']}, mended in {', '.join(hole['fix_versions']) or '?'}"
            for package in packages
            for hole in package.get("vulns", ())
        ),
        tuple(package["name"] for package in packages if "skip_reason" in package),
    )


def npm_verdict(node: Node, folder: str) -> Verdict:
    """npm's own, of the lock file in that folder."""
    lock = json.loads((ROOT / folder / "package-lock.json").read_text())
    done = subprocess.run(
        [*node.npm, "audit", "--json"], cwd=ROOT / folder, capture_output=True, text=True, check=False
    )
    return npm_answer(f"npm, {folder}", len(lock["packages"]) - 1, done.stdout)


def npm_answer(subject: str, asked: int, printed: str) -> Verdict:
    try:
        answer: dict[str, Any] = json.loads(printed)
    except ValueError:
        return Verdict(subject, asked, not_answered=(_last_line(printed),))
    if "vulnerabilities" not in answer:
        return Verdict(subject, asked, not_answered=(str(answer.get("message", "no reason given")),))
    return Verdict(
        subject,
        asked,
        tuple(f"{name}: {hole['severity']}, {hole['range']}" for name, hole in answer["vulnerabilities"].items()),
    )


def python_licences() -> Mapping[str, list[str]]:
    """Packages of this environment by licence, as their metadata say."""
    found: dict[str, list[str]] = defaultdict(list)
    for distribution in metadata.distributions():
        fields = cast("Message", distribution.metadata)
        classifiers = [each.rpartition(" :: ")[2] for each in fields.get_all("Classifier", ()) if "License" in each]
        licence = fields.get("License-Expression") or " / ".join(classifiers) or _first_line(fields.get("License"))
        found[licence or "not said"].append(fields["Name"])
    return found


def npm_licences() -> Mapping[str, list[str]]:
    """Packages of the lock files by licence."""
    found: dict[str, list[str]] = defaultdict(list)
    for folder in NPM_FOLDERS:
        lock = json.loads((ROOT / folder / "package-lock.json").read_text())
        for path, package in lock["packages"].items():
            name = path.rpartition("node_modules/")[2]
            licence = str(package.get("license") or "not said")
            if name and name not in found[licence]:
                found[licence].append(name)
    return found


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0][:60]


def _last_line(text: str) -> str:
    return (text.strip() or "no answer").splitlines()[-1][:300]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
