"""The doctor: what it finds in an installation, what it says to do, and what its end tells."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from gateway_site import doctor
from projects import jobs
from projects.models import ApiKey
from projects.scoping import unscoped
from servers.models import Server
from tests.cast import Cast


def connection_is_server() -> bool:
    return connection.vendor == "postgresql"


def states(part: str) -> list[tuple[str, bool]]:
    return [(each.state, bool(each.mend)) for each in doctor.examine() if each.part == part]


@pytest.mark.claim("cli.doctor")
def test_what_is_in_order_needs_no_mend(cast: Cast) -> None:
    cast.key()
    findings = doctor.examine()
    assert {each.part for each in findings} == set(doctor.PARTS)
    assert [each for each in findings if (each.state == "ok") == bool(each.mend)] == []
    assert [each for each in findings if each.state == "fault"] == []


@pytest.mark.claim("cli.doctor")
def test_a_role_that_row_security_does_not_hold_for_is_warned_of(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    if not connection_is_server():
        pytest.skip("SQLite has no roles")
    for is_held in (True, False):
        monkeypatch.setattr("projects.row_security.is_in_force", lambda held=is_held: held)
        warned = [each for each in doctor.examine() if "row security" in each.text]
        assert bool(warned) is not is_held and all(each.mend for each in warned)


@pytest.mark.claim("cli.doctor")
def test_each_fault_is_found_and_says_its_mend(cast: Cast, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    key, _ = cast.key()
    cast.server("docs", headers={"A": "b"})
    with unscoped("the test breaks things"):
        ApiKey.objects.filter(pk=key.pk).update(pepper_id="gone")
        Server.objects.update(sealed="broken", url="http://169.254.169.254/")
    jobs.enqueue(project=cast.acme, kind="x", subject_ref=1, label="x", run_after=timezone.now() - timedelta(hours=1))
    cast.server("old", url="http://127.0.0.1:1/sse", transport="sse")
    ring = tmp_path / "ring.json"
    ring.write_text("{}")
    ring.chmod(0o644)
    monkeypatch.setattr(settings, "KEYRING_PATH", ring)
    monkeypatch.setattr(settings, "REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setattr(settings, "RUNNER_SOCKET", tmp_path / "none.sock")
    monkeypatch.setattr(settings, "EGRESS_ALLOW", ["10.0.0.0/8", "10.1.0.0/33", "wiki.acme.test:8080"])
    monkeypatch.setattr(doctor, "_LEAST_FILES", 2**40)
    monkeypatch.setattr("gateway_site.doctor.time.time", lambda: 0.0)
    found = [(each.part, each.text) for each in doctor.examine() if each.state != "ok" and each.mend]
    for part, text in (
        ("broker", "Redis cannot be used"), ("broker", "jobs are overdue"), ("keys", "others on the machine may read"),
        ("keys", "1 API keys were made with a pepper"), ("keys", "the secrets of acme/docs do not open"),
        ("sandbox", "no runner answers"), ("egress", "acme/docs, acme/old may not be reached"),
        ("egress", "opens 10.0.0.0/8"), ("egress", "10.1.0.0/33 in GATEWAY_EGRESS_ALLOW is neither"),
        ("pools", "a process may open"),
        *([("clock", "away from the clock of the database")] if connection_is_server() else []),
    ):  # fmt: skip
        assert any(each[0] == part and text in each[1] for each in found), (part, text, found)


@pytest.mark.claim("cli.doctor")
@pytest.mark.parametrize(
    ("hosts", "proxies", "state"),
    [
        (["127.0.0.1:8000", "localhost", "[::1]"], [], "ok"), (["mcp.acme.test"], ["10.0.0.7"], "ok"),
        (["localhost", "mcp.acme.test"], [], "warning"), (["*"], [], "warning"),
        (["localhost"], ["0.0.0.0/0"], "fault"),
    ],
)  # fmt: skip
def test_the_doctor_asks_whether_it_is_known_from_where_requests_come(
    settings: Any, hosts: list[str], proxies: list[str], state: str
) -> None:
    settings.GATEWAY_ALLOWED_HOSTS, settings.TRUSTED_PROXIES = hosts, proxies
    (finding,) = doctor.PARTS["proxies"]()
    assert (finding.state, bool(finding.mend)) == (state, state != "ok")
    assert "GATEWAY_TRUSTED_PROXIES" in finding.mend or state != "warning"


@pytest.mark.claim("cli.doctor")
def test_the_doctors_exit_code_is_that_of_a_fault(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = io.StringIO()
    monkeypatch.setattr(doctor, "examine", lambda: [doctor.Finding("keys", "fault", "bad", "Mend it.")])
    with pytest.raises(SystemExit) as ended:
        call_command("doctor", stdout=printed)
    assert ended.value.code == 1
    assert "Mend: Mend it." in printed.getvalue()


@pytest.mark.claim("cli.doctor")
def test_a_part_that_cannot_be_looked_at_is_a_fault_and_the_others_are_seen(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Iterator[doctor.Finding]:
        raise RuntimeError("canary")
        yield

    monkeypatch.setitem(doctor.PARTS, "keys", broken)
    assert states("keys") == [("fault", True)]
    assert "canary" not in repr(doctor.examine())
    assert states("pools")
