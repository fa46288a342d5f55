"""`python -m benchmarks.faults.collect OUT.json TEST...`: run tests of faults for long, and keep what they note."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest


class Rows:
    """A plugin of pytest: asks for heavy loads, and collects what the fixture `matrix` recorded."""

    def __init__(self) -> None:
        self.rows: list[dict[str, object]] = []
        self._failed: dict[str, str] = {}

    def pytest_addoption(self, parser: pytest.Parser) -> None:
        """Add the option that `tests/faults/server.py` looks for."""
        parser.addoption("--heavy", action="store_true", help="load longer and more often")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the rows of a test that is done."""
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            self._failed[report.nodeid] = str(getattr(crash, "message", report.longrepr)).splitlines()[0]
        if report.when == "teardown":
            path, _, test = report.nodeid.partition("::")
            for name, row in report.user_properties:
                if name == "row" and isinstance(row, dict):
                    failed = self._failed.get(report.nodeid, "")
                    self.rows.append({"file": Path(path).stem, "test": test, "failed": failed, **row})


def main() -> int:
    """Run and write."""
    out, *tests = sys.argv[1:]
    rows = Rows()
    code = pytest.main(["--heavy", "-q", "-p", "no:cacheprovider", *tests], plugins=[rows])
    Path(out).write_text(json.dumps(rows.rows, indent=1) + "\n", encoding="utf-8")
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
