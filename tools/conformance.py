"""Runs tests/conformance and prints the table: requirement, verdict, tests.

Exit code 1 when a test of any requirement fails; requirements without a test are shown as "not yet".
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "tests" / "conformance"
NAMED = re.compile(r"test_([AMVTG]\d+)_")


def main(arguments: list[str]) -> int:
    """Run and print; further arguments go to pytest."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", str(FOLDER), "-q", "--no-header", "--tb=short", f"--junitxml={report}", *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        verdicts = collected(ET.parse(report).getroot().iter("testcase")) if report.is_file() else {}
    ids = (FOLDER / "ids.txt").read_text(encoding="utf-8").split()
    failed = table([*ids, *(sorted(set(verdicts) - set(ids)))], verdicts)
    if failed or done.returncode not in (0, 5):
        print(done.stdout, done.stderr, sep="\n")
    return 1 if failed or done.returncode not in (0, 5) else 0


def collected(cases: Iterable[ET.Element]) -> dict[str, list[str]]:
    """Requirement to the verdicts of its tests: "pass", "fail" or "skipped"."""
    verdicts: dict[str, list[str]] = {}
    for case in cases:
        named = NAMED.match(case.get("name") or "")
        if named:
            tags = {child.tag for child in case}
            verdict = "fail" if tags & {"failure", "error"} else "skipped" if "skipped" in tags else "pass"
            verdicts.setdefault(named[1], []).append(verdict)
    return verdicts


def table(ids: list[str], verdicts: dict[str, list[str]]) -> int:
    """Print one line per requirement; returns how many fail."""
    failed = passed = 0
    for name in ids:
        found = verdicts.get(name, [])
        bad, good = found.count("fail"), found.count("pass")
        verdict = "FAIL" if bad else "pass" if good else "skipped" if found else "not yet"
        failed += verdict == "FAIL"
        passed += verdict == "pass"
        print(f"{name:<4} {verdict:<8} {good}/{len(found)}" if found else f"{name:<4} {verdict}")
    print(f"\n{passed} of {len(ids)} requirements pass, {failed} fail, {len(ids) - passed - failed} not yet")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
