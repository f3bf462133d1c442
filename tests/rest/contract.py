"""Holds a running gateway against its own OpenAPI document, as each role, with every check of schemathesis.

`python -m tests.rest.contract` does it at length; the suite does it with few examples.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.rest.canaries import canary_of
from tests.rest.live import Live, live

ROOT = Path(__file__).resolve().parents[2]
ROLES = ("operator", "owner", "admin", "member", "auditor", "outsider")
# Rules and states refuse what the document allows, by kinds of their own (tests.rest.hooks looks at them).
_CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "412", "422", "428", "429", "503"]
[checks.missing_required_header]
expected-statuses = ["400", "401", "403", "404", "406", "415", "422", "428"]
[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "412", "413", "415", "422", "428", "429", "503"]
[parameters]
"""
# Deleting what the others need would leave nothing to look at.
_SPARED = """
[[operations]]
include-name = "DELETE /api/v1/projects/{project}"
parameters = { "path.project" = "gone" }
[[operations]]
include-method = "DELETE"
exclude-name = "DELETE /api/v1/projects/{project}"
parameters = { %s }
"""
_KEPT = ("server", "member", "user", "policy", "grant", "overlay", "export", "schedule", "forwarder")


def run(stage: Live, role: str, *options: str) -> subprocess.CompletedProcess[str]:
    """One run of schemathesis as that role; the outsider's addresses are those of acme, whom it must not see."""
    with tempfile.TemporaryDirectory() as folder, tempfile.NamedTemporaryFile("w", suffix=".toml") as config:
        names = "".join(f'"path.{name}" = "{value}"\n' for name, value in stage.names["acme"].items())
        spared = _SPARED % ", ".join(f'"path.{name}" = "gone"' for name in _KEPT)
        config.write(_CONFIG + names + spared)
        config.flush()
        command = [
            str(Path(sys.executable).parent / "schemathesis"), "--config-file", config.name, "run",
            f"{stage.url}/api/v1/openapi.json", "-H", f"Authorization: Bearer {stage.tokens[role]}",
            "--checks", "all", "--no-color", *options,
        ]  # fmt: skip
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.rest.hooks",
                       "REST_FOREIGN": _foreign(role)}  # fmt: skip
        # It keeps what it found in the folder where it runs.
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=3600, check=False
        )


def _foreign(role: str) -> str:
    return {"operator": "", "outsider": canary_of("acme")}.get(role, canary_of("globex"))


def main(roles: Sequence[str]) -> int:
    failed = 0
    with tempfile.TemporaryDirectory() as home, live(Path(home) / "gateway") as stage:
        for role in roles or ROLES:
            started = time.monotonic()
            result = run(stage, role, "--phases", "examples,coverage,fuzzing", "--max-examples", "5", "--workers", "2")
            failed |= result.returncode
            lines = result.stdout.splitlines()
            shown = lines if result.returncode else [line for line in lines if "generated" in line]
            print(f"{role}: {time.monotonic() - started:.0f} s", *shown, sep="\n  ", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
