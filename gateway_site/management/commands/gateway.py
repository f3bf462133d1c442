"""`manage.py gateway`: the whole gateway as one process group, and what a newcomer needs to use it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from gateway_site.supervisor import Part, Supervisor
from projects import setup

_READY_SECONDS = 60.0
_STOP_SECONDS = 4.5
_FILE = Path(settings.BASE_DIR) / "manage.py"
# Installed as a package, there is no such file.
_MANAGE = [str(_FILE)] if _FILE.exists() else ["-m", "gateway_site.main"]
_DEMO = Path(__file__).resolve().parent.parent.parent / "demo.yaml"


class Command(BaseCommand):
    help = "Runs the gateway: web, worker and runner. Ctrl-C ends all of it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--server", choices=("uvicorn", "daphne"), default="uvicorn")
        parser.add_argument("--workers", type=int, default=1, help="Web processes (uvicorn only).")
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--log", type=Path, help="A file for what the processes print; else standard error.")
        parser.add_argument("--demo", action="store_true", help="Keep a demo project with two servers.")

    def handle(self, *args: Any, **options: Any) -> None:
        _check(options)
        if options["demo"] and options["log"] is None:
            # A newcomer's terminal shows the key and the addresses, not a line for each call.
            options["log"] = settings.GATEWAY_HOME / "gateway.log"
        settings.RUN_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
        call_command("migrate", verbosity=0)
        demo = _Demo(_free_port(settings.DEMO_PORT)) if options["demo"] else None
        key = demo.apply() if demo else None
        environment = _environment(options, demo)
        supervisor = Supervisor(_parts(options, demo, environment), _STOP_SECONDS, options["log"])
        try:
            asyncio.run(self._run(supervisor, options, _greeting(options, key)))
        except KeyboardInterrupt:
            pass

    async def _run(self, supervisor: Supervisor, options: dict[str, Any], greeting: str) -> None:
        running = asyncio.create_task(supervisor.run())
        ready = asyncio.create_task(_await_ready(options["host"], options["port"]))
        await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
        if ready.done() and not supervisor.is_stopping():
            if ready.result():
                self.stdout.write(greeting)
                self.stdout.flush()
            else:
                supervisor.stop()
                await running
                raise CommandError(f"The gateway did not answer within {_READY_SECONDS:.0f} s.")
        ready.cancel()
        await running


def _greeting(options: dict[str, Any], key: str | None) -> str:
    """Made before the processes start, since it asks the database; shown when they answer."""
    base = f"http://{_shown_host(options['host'])}:{options['port']}"
    # Browsers give passkeys to names only, and to this one without HTTPS.
    pages = base.replace("://127.0.0.1:", "://localhost:")
    lines = ["", "Secure MCP Gateway is running. Ctrl-C ends it.", ""]
    if setup.needs_operator():
        lines.append(f"  Admin        {pages}/setup/{setup.make_token()}/   (works once: make your account)")
    else:
        lines.append(f"  Admin        {pages}/admin/")
    if options["demo"]:
        lines += [f"  MCP          {base}/mcp/demo   (all servers; /mcp/demo/clock is one of them)"]
        lines += _demo_lines(base, key)
    if options["log"] is not None:
        lines += ["", f"  Log          {options['log']}"]
    if settings.AUDIT == "off":
        lines.append("  WARNING      GATEWAY_AUDIT=off: calls are not recorded. Use it for measuring only.")
    return "\n".join([*lines, ""])


def _demo_lines(base: str, key: str | None) -> list[str]:
    if key is None:
        return ["  Demo key     shown once, on the first start; make another in the admin under API keys"]
    return [
        f"  Demo key     {key}   (shown once)",
        "",
        "  Claude Code:",
        f'    claude mcp add --transport http gateway {base}/mcp/demo --header "Authorization: Bearer {key}"',
    ]


def _check(options: dict[str, Any]) -> None:
    if options["server"] == "daphne" and options["workers"] != 1:
        raise CommandError("daphne is one process; use --server uvicorn for more workers.")
    if options["workers"] < 1:
        raise CommandError("--workers must be at least 1.")
    with socket.socket(socket.AF_INET6 if ":" in options["host"] else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((options["host"], options["port"]))
        except OSError as error:
            raise CommandError(
                f"{options['host']}:{options['port']} cannot be used ({error.strerror}); choose another --port."
            ) from error


def _shown_host(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104  shown only


def _free_port(preferred: int) -> int:
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise CommandError("No port is free for the demo server.")


class _Demo:
    """The demo project, brought up to date on every start; its key is made on the first."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.egress = f"127.0.0.1:{port}"

    def apply(self) -> str | None:
        text = _DEMO.read_text().replace("{demo_port}", str(self.port))
        done = subprocess.run(  # noqa: S603  our own command
            [sys.executable, *_MANAGE, "apply", "-", "--json"], input=text, text=True, capture_output=True, check=False,
            env={**os.environ, "GATEWAY_EGRESS_ALLOW": self.allowed()},
        )  # fmt: skip
        if done.returncode != 0:
            raise CommandError(f"The demo project cannot be made: {done.stderr.strip()}")
        keys = json.loads(done.stdout)["keys"]
        return str(keys[0]["key"]) if keys else None

    def allowed(self) -> str:
        return ",".join([*settings.EGRESS_ALLOW, self.egress])


def _environment(options: dict[str, Any], demo: _Demo | None) -> dict[str, str]:
    environment = {"GATEWAY_HOME": str(settings.GATEWAY_HOME), "GATEWAY_EMBEDDED_WORKER": "1"}
    if demo is not None:
        environment["GATEWAY_EGRESS_ALLOW"] = demo.allowed()
    if options["workers"] > 1:
        folder = settings.RUN_DIR / "metrics"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        environment["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    return environment


def _parts(options: dict[str, Any], demo: _Demo | None, environment: dict[str, str]) -> list[Part]:
    # This process has made Django's checks, which load every page and the whole REST interface. Without a broker the
    # web process has a worker in it, which would make them again and keep what they load.
    checked = {**environment, "CELERY_SKIP_CHECKS": "1"}
    parts = [
        Part("runner", [sys.executable, *_MANAGE, "runner", "--socket", str(settings.RUNNER_SOCKET)], environment),
        Part("web", _web(options), checked),
    ]
    if not settings.EMBEDDED_WORKER:
        celery = [sys.executable, "-m", "celery", "-A", "gateway_site"]
        worker = [*celery, "worker", "-l", "WARNING"]
        beat = [*celery, "beat", "-l", "WARNING", "--pidfile", "", "-s", str(settings.RUN_DIR / "beat")]
        parts += [
            # A part of its own: a worker does not begin its clock again, should that end alone.
            Part("clock", beat, checked),
            Part("worker", [*worker, "-Q", "celery", "-c", "2", "-n", "jobs@%h"], checked),
            Part("sealer", [*worker, "-Q", "audit", "--pool", "solo", "-n", "audit@%h"], checked),
        ]
    if demo is not None:
        parts.append(Part("demo", [sys.executable, "-m", "servers.demo", "--port", str(demo.port)], environment))
    return parts


def _web(options: dict[str, Any]) -> list[str]:
    address = ["--host", options["host"], "--port", str(options["port"])]
    if options["server"] == "daphne":
        return [sys.executable, "-m", "gateway_site.server", *address]
    return [
        sys.executable, "-m", "uvicorn", "gateway_site.asgi:application", *address,
        "--workers", str(options["workers"]), "--http", "gateway_site.uvicorn_protocol:HardenedProtocol",
        "--loop", "uvloop", "--ws", "websockets-sansio", "--ws-max-size", "65536", "--ws-per-message-deflate", "false",
        "--lifespan", "on", "--no-access-log", "--no-server-header",
        "--no-proxy-headers", "--timeout-keep-alive", "75", "--log-level", "warning",
        "--timeout-graceful-shutdown", str(settings.DRAIN_SECONDS),
    ]  # fmt: skip


async def _await_ready(host: str, port: int) -> bool:
    """True when the readiness probe answers 200 in time."""
    try:
        async with asyncio.timeout(_READY_SECONDS):
            while not await _is_ready("127.0.0.1" if host == "0.0.0.0" else host, port):  # noqa: S104, ASYNC110  another process
                await asyncio.sleep(0.1)
        return True
    except TimeoutError:
        return False


async def _is_ready(host: str, port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    try:
        writer.write(f"GET /readyz HTTP/1.1\r\nHost: {_shown_host(host)}:{port}\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        return b" 200 " in answer.split(b"\r\n", 1)[0] and b"ready" in answer
    except OSError:
        return False
    finally:
        writer.close()

