"""A gateway whose every secret, and every personal value in a call to it, is a string that is found nowhere else.

All that can go wrong with a call goes wrong here, and then the database and Redis are stopped, so that what is said
about failures is there to be looked through too.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import http.cookiejar
import json
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from base64 import b32decode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from projects import keys
from tests import services
from tests.conformance.gateway import Gateway
from tests.conformance.processes import free_port
from tests.databases import ROOT
from tests.e2e.client import META, Client, Reply
from tests.e2e.upstream import MODERN, Upstream, running
from tests.reliability import upstreams
from tests.reliability.postgresql import PostgreSQL
from tests.signing_in import finish_set_up
from tests.waiting import wait_until

CHILD = str(Path(upstreams.__file__).resolve())
OPERATOR, PASSWORD = "operator@gateway.test", "canary-password-of-the-operator-Wq3"
# Personal data of a person who is in no other text. Card and account have their check digits.
PERSON = {
    "name": "Zebulon Quackenbush",
    "email": "zebulon.quackenbush.canary@analytical.example.org",
    "phone": "+49 1573 5981273",
    "card": "4539 5787 6362 1486",
    "iban": "DE89 3704 0044 0532 0130 00",
}
UNREAD = "SELECT 1 FROM servers_server WHERE discovered_at IS NULL AND discovery_error = ''"
UNSEALED = "SELECT 1 FROM audit_event LEFT JOIN audit_seal ON event_ord = ord WHERE event_ord IS NULL"
SENTENCE = "Write to {email}, call {phone}, charge {card} or {iban}.".format(**PERSON)
# What the log keeps of calls, opened.
PAYLOADS = """
from audit.models import Event
from audit.payloads import _look
for event in Event.objects.exclude(payload_ref=None):
    print("payload", event.method, _look(event).content)
"""


def secret(name: str) -> str:
    """Long enough not to be there by chance, and said to be a canary where it is found."""
    return f"canary-{name}-{secrets.token_hex(12)}"


@dataclass
class StandIn:
    """Everything else that the gateway speaks to over HTTP: it keeps what it gets, and answers as the path says."""

    received: dict[str, list[bytes]] = field(default_factory=dict)
    port: int = 0

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def all_of(self, path: str) -> bytes:
        return b"\n".join(self.received.get(path, []))

    def answer(self, path: str, body: bytes) -> tuple[int, str, bytes]:
        if path == "garbage":
            return 200, "application/json", b"<html>" + body
        if path == "fails" and b'"tools/list"' in body:
            tools = {"tools": [{"name": "echo", "inputSchema": {"type": "object"}}], "ttlMs": 60_000}
            answer = {"jsonrpc": "2.0", "id": json.loads(body)["id"], "result": {**tools, "resultType": "complete"}}
            return 200, "application/json", json.dumps(answer).encode()
        if path == "provider":
            return 500, "application/json", b'{"error": "no"}'
        if path == "fails":
            message = json.loads(body)
            said = {"code": -32000, "message": f"cannot: {message.get('params', {}).get('arguments')}"}
            error = {"jsonrpc": "2.0", "id": message.get("id"), "error": said}
            return 200, "application/json", json.dumps(error).encode()
        return 200, "application/json", b"{}"


@contextmanager
def stand_in() -> Iterator[StandIn]:
    made = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = urllib.parse.urlsplit(self.path).path.strip("/")
            made.received.setdefault(path, []).append(body)
            status, kind, answer = made.answer(path, body)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


class OwnRedis:
    """A Redis server with a password, which may be stopped; a context manager."""

    def __init__(self, password: str, folder: Path) -> None:
        program = services.redis_program()
        if program is None:
            pytest.skip("no Redis program on this machine: the server in use has no password of ours")
        self.port = free_port()
        self.url = f"redis://:{password}@127.0.0.1:{self.port}/0"
        self._command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder),
                         "--requirepass", password]  # fmt: skip

    def __enter__(self) -> OwnRedis:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(redis.ConnectionError):
                self.client().ping()
                return
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.wait(10)

    def client(self) -> Any:
        made: Any = redis.Redis.from_url(self.url)
        return made


@dataclass
class Field:
    """What was sown, and where it may have come up."""

    gateway: Gateway
    upstream: Upstream
    others: StandIn
    database: PostgreSQL
    redis: OwnRedis
    browser: Browser
    # By what it is: secrets of anybody, and personal values of callers.
    secrets: dict[str, str | bytes] = field(default_factory=dict)
    # Refusals of the gateway's own, in whose text nothing of the caller's may be.
    refusals: list[bytes] = field(default_factory=list)
    # Errors that repeat to a caller what it said itself: those that servers have worded, and names that nobody knows.
    relayed: list[bytes] = field(default_factory=list)
    commands: dict[str, str] = field(default_factory=dict)
    metrics: bytes = b""
    # Looked at before Redis is stopped, which keeps nothing.
    in_redis: bytes = b""

    def client(self, path: str, label: str = "laptop", project: str = "acme") -> Client:
        return Client(self.gateway, f"/mcp/{path}", self.gateway.key(project, label))

    def command(self, *arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.gateway._environment(), capture_output=True,
            text=True, timeout=120,
        )  # fmt: skip
        self.commands[" ".join(arguments)] = done.stdout + done.stderr


class Browser:
    """An operator's, who keeps cookies and never goes twice to the same page."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))

    def get(self, address: str, form: dict[str, str] | None = None) -> tuple[int, str]:
        url = urllib.parse.urljoin(self.base, address)
        data = None if form is None else urllib.parse.urlencode(form).encode()
        request = urllib.request.Request(url, data, headers={"Referer": url})
        try:
            with self._opener.open(request, timeout=30) as answer:
                return answer.status, answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")

    def post(self, address: str, form: dict[str, str]) -> tuple[int, str]:
        _, page = self.get(address)
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert found is not None, page
        return self.get(address, {**form, "csrfmiddlewaretoken": found[1]})

    def cookie(self, name: str) -> str:
        return next(cookie.value or "" for cookie in self.cookies if cookie.name == name)

    def every_page(self, start: str, limit: int) -> Iterator[tuple[str, str]]:
        """What can be reached by links from `start`, page by page. Fails when there is more than `limit`."""
        waiting, seen = [start], {start}
        while waiting:
            assert len(seen) < limit, "the pages go on and on"
            address = waiting.pop()
            status, page = self.get(address)
            yield f"{address} ({status})", page
            for link in re.findall(r'href="([^"#]+)', page):
                url = urllib.parse.urljoin(urllib.parse.urljoin(self.base, address), link.replace("&amp;", "&"))
                path = url.removeprefix(self.base)
                # Of a list, the first page and what it leads to: its orders and filters show the same rows.
                if path.startswith("/admin/") and "?" not in path and "logout" not in path and path not in seen:
                    seen.add(path)
                    waiting.append(path)


def declarations(upstream: Upstream, others: StandIn, sown: dict[str, str]) -> dict[str, Any]:
    ada, carla, mallory = "ada@acme.test", "carla@acme.test", "mallory@globex.test"
    person: dict[str, Any] = {"detector": "pii", "directions": ["input"]}
    provider: dict[str, Any] = {"directions": ["input"], "timeout": 2}
    policies = [
        {"slug": "open", "guardrails": []},
        {"slug": "mask", "guardrails": [{**person, "action": "tokenise"}]},
        {"slug": "redact", "guardrails": [{**person, "action": "redact"}]},
        {"slug": "block", "guardrails": [{**person, "action": "block"}]},
        {"slug": "service", "guardrails": [
            {**provider, "detector": "http", "action": "flag", "on_error": "flag",
             "config": {"url": others.url("provider"), "secret": sown["secret of a provider"]}},
        ]},
        {"slug": "unreachable", "guardrails": [
            {**provider, "detector": "openai_moderation", "action": "block", "on_error": "block",
             "config": {"base_url": "http://127.0.0.1:9", "api_key": sown["key of a provider"]}},
        ]},
    ]  # fmt: skip
    told = {"bearer": sown["bearer of a server"], "headers": {"X-Team": sown["header of a server"]}}
    servers: list[dict[str, Any]] = [
        {"slug": slug, "url": upstream.url(slug), "input_policy": slug, "review": "trust", **told}
        for slug in ("open", "mask", "redact", "block", "service", "unreachable")
    ]
    servers[1]["restore_tokens"] = True
    servers += [
        {"slug": "docs", "url": upstream.url("docs"), "review": "trust", **told},
        {"slug": "slow", "url": upstream.url("slow"), "review": "trust", "timeout_seconds": 1, **told},
        {"slug": "down", "url": "http://127.0.0.1:9/mcp", **told},
        {"slug": "fails", "url": others.url("fails"), "review": "trust", **told},
        {"slug": "garbage", "url": others.url("garbage"), **told},
        {"slug": "child", "transport": "stdio", "template": "child", "params": {"token": sown["slot of a template"]}},
    ]
    template = {
        "slug": "child", "executable": sys.executable, "args": [CHILD],
        "params": {"token": {"pattern": ".+", "secret": True}}, "env": {"API_TOKEN": "{token}"},
    }  # fmt: skip
    projects = [
        {
            "slug": "acme", "policies": policies, "servers": servers, "audit": {"payloads": "redacted"},
            "members": [{"email": ada, "role": "owner"}, {"email": carla, "role": "auditor"}],
            "keys": [{"user": ada, "label": "laptop"}, {"user": carla, "label": "auditor"}],
        },
        {
            "slug": "globex", "members": [{"email": mallory, "role": "owner"}], "servers": [],
            "keys": [{"user": mallory, "label": "mallory"}],
        },
    ]  # fmt: skip
    return {"version": 1, "command_templates": [template], "projects": projects}


@contextmanager
def sown(folder: Path) -> Iterator[Field]:
    """The gateway still runs; all that could be said has been said."""
    names = ("bearer of a server", "header of a server", "slot of a template", "secret of a provider",
             "key of a provider", "password of the database", "password of Redis", "key of Django", "token of metrics",
             "token of the webhook", "token of a receiver", "secret of a receiver", "header of a receiver")  # fmt: skip
    planted = {name: secret(name.replace(" ", "-")) for name in names}
    with (
        PostgreSQL() as database,
        OwnRedis(planted["password of Redis"], folder) as cache,
        stand_in() as others,
        running() as upstream,
    ):
        url = f"postgres://postgres:{planted['password of the database']}@127.0.0.1:{database.port}/postgres"
        environment = {
            "DATABASE_URL": url, "REDIS_URL": cache.url, "GATEWAY_SECRET_KEY": planted["key of Django"],
            "GATEWAY_METRICS_TOKEN": planted["token of metrics"], "GATEWAY_LOG_LEVEL": "DEBUG",
            "GATEWAY_AUDIT_WEBHOOK": others.url(f"hook?token={planted['token of the webhook']}"),
            "GATEWAY_AUDIT_FORWARD": others.url(f"siem?token={planted['token of a receiver']}#format=cef"),
            "GATEWAY_AUDIT_FORWARD_SECRET": planted["secret of a receiver"],
            "GATEWAY_AUDIT_FORWARD_AUTHORIZATION": f"Bearer {planted['header of a receiver']}",
            "OTEL_EXPORTER_OTLP_ENDPOINT": others.url("").rstrip("/"), "OTEL_BSP_SCHEDULE_DELAY": "200",
            "GATEWAY_KEY_RATE": "0", "GATEWAY_AUDIT_ANCHOR_SECONDS": "1",
        }  # fmt: skip
        declared = declarations(upstream, others, planted)
        with Gateway(folder / "home", declared, workers=2, environment=environment) as gateway:
            browser = Browser(f"http://127.0.0.1:{gateway.port}")
            made = Field(gateway, upstream, others, database, cache, browser, {**planted})
            sow(made)
            yield made


def sow(made: Field) -> None:
    become_operator(made)
    wait_until(lambda: not rows(made, UNREAD))
    call_in_every_way(made)
    send_what_is_malformed(made)
    send_without_right(made)
    made.secrets |= secrets_of_sessions(made) | secrets_of_the_ring(made)
    made.secrets |= {f"key {label} of {project}": text[15:] for (project, label), text in made.gateway.keys.items()}
    made.in_redis = all_of_redis(made)
    made.metrics = metrics(made)
    lose_the_database_and_redis(made)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda arguments: made.command(*arguments), [
            ("audit", "verify"), ("audit", "export", str(made.gateway.home / "export"), "--project", "acme"),
            ("cache", "status", "--project", "acme"), ("discover", "--server", "down", "--wait"),
            ("check", "--deploy", "--database", "default"), ("shell", "-c", PAYLOADS),
        ]))  # fmt: skip
    wait_until(lambda: not rows(made, UNSEALED))


_SETUP_LINK = r"/setup/([^/\s]+)/"


def become_operator(made: Field) -> None:
    """By the link that the gateway prints as it starts, which is then used up."""
    wait_until(lambda: re.search(_SETUP_LINK, made.gateway.log.read_text()))
    found = re.search(_SETUP_LINK, made.gateway.log.read_text())
    assert found is not None
    made.secrets |= {"link of the first operator": found[1], "password of the operator": PASSWORD}
    # Without a cookie, as a page of somebody else's would send it.
    assert Browser(made.browser.base).get(f"/setup/{found[1]}/", {"email": OPERATOR})[0] == 403
    status, _ = made.browser.post(f"/setup/{found[1]}/", {"email": OPERATOR, "password": PASSWORD})
    assert status == 200
    secret, codes = finish_set_up(lambda path: made.browser.get(path)[1], lambda *sent: made.browser.post(*sent)[1])
    made.secrets |= {"secret of an app": secret, "secret of an app, in hex": b32decode(secret).hex()}
    made.secrets |= {f"recovery code {number}": code for number, code in enumerate(codes)}
    made.secrets["cookie of a session"] = made.browser.cookie("sessionid")
    stranger = Browser(made.browser.base)
    for password in ("canary-wrong-password-1", PASSWORD + "-not"):
        stranger.post("/admin/login/", {"username": OPERATOR, "password": password})
    made.secrets["password that was wrong"] = "canary-wrong-password-1"


def call_in_every_way(made: Field) -> None:
    """Allowed, changed, blocked, failed and timed-out calls, in both eras and at the address of all servers."""
    ways: list[Callable[[], Reply]] = []
    for slug in ("open", "mask", "redact", "block", "service", "unreachable", "docs", "slow", "down", "fails",
                 "garbage", "child"):  # fmt: skip
        tool = "wait" if slug == "slow" else "echo"
        arguments = {"text": SENTENCE, "nonce": SENTENCE, "person": PERSON, PERSON["email"]: 1}
        for path, name in ((f"acme/{slug}", tool), ("acme", f"{slug}__{tool}")):
            for era in ("modern", "legacy"):
                ways.append(_way(made, path, era, {"name": name, "arguments": arguments}))
    with ThreadPoolExecutor(8) as pool:
        for reply in pool.map(lambda way: way(), ways):
            note(made, reply)


def _way(made: Field, path: str, era: str, params: dict[str, Any]) -> Callable[[], Reply]:
    def call() -> Reply:
        client = made.client(path)
        if era == "modern":
            return client.modern("tools/call", params)
        handshake = client.legacy("initialize", {"protocolVersion": "2025-11-25", "capabilities": {},
                                                 "clientInfo": {"name": PERSON["name"], "version": "1"}})  # fmt: skip
        session = handshake.headers.get("mcp-session-id")
        if session is None:
            return handshake
        made.secrets[f"session {path} {era} {len(made.secrets)}"] = session
        return client.legacy("tools/call", params, session=session)

    return call


def note(made: Field, reply: Reply) -> None:
    """Only what is an error is looked at: a result is its caller's own."""
    if b'"error"' not in reply.body:
        return
    keep(made, reply.body)


REPEATING = (b"cannot:", b"Unknown tool:", b"Unexpected member")


def keep(made: Field, answer: bytes) -> None:
    (made.relayed if any(words in answer for words in REPEATING) else made.refusals).append(answer)


def send_what_is_malformed(made: Field) -> None:
    email, client = PERSON["email"], made.client("acme/docs")
    whole = {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
             "params": {"name": "echo", "arguments": {"text": SENTENCE}, "_meta": META}}  # fmt: skip
    text = json.dumps(whole)
    bodies = [
        text[:-9], text.replace('"id": 1', f'"id": 1, "id": "{email}"'), text.replace("tools/call", f"persons/{email}"),
        text.replace('"echo"', json.dumps(email)), f"[{text}]", text.replace('"jsonrpc"', f'"{email}"'),
        text.replace("2.0", email), json.dumps({**whole, email: 1}), json.dumps({**whole, "params": [SENTENCE]}),
        text.replace('"arguments": {', f'"arguments": {{"{email}": NaN, '), SENTENCE, text + SENTENCE,
    ]  # fmt: skip
    headers = [
        {"Mcp-Name": email}, {"Mcp-Method": f"persons/{email}"}, {"MCP-Protocol-Version": email},
        {"Mcp-Session-Id": email}, {"Last-Event-ID": email}, {"Origin": f"https://{email.replace('@', '.')}"},
        {"Host": f"{email.replace('@', '.')}"}, {"Content-Type": f"text/{email}"}, {"Accept": email},
        {"Cookie": f"person={email}"}, {"User-Agent": email}, {"Referer": f"https://x.test/?{email}"},
        {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "baggage": f"person={email}",
         "tracestate": f"v={email}"},
        {"Mcp-Param-Person": email}, {"X-Forwarded-For": email}, {"X-Request-Id": email},
    ]  # fmt: skip
    key = made.gateway.key("acme", "laptop")
    paths = [f"/mcp/acme/{email}", f"/mcp/{email}/docs", f"/mcp/acme/docs?person={email}",
             f"/mcp/acme/docs?api_key={key}", f"/mcp/acme/docs/{key}", f"/{email}", f"/admin/{email}",
             f"/setup/{email}/"]  # fmt: skip
    usual = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "echo"}
    for body in bodies:
        for headers_of_era in (usual, {"MCP-Protocol-Version": "2025-11-25"}):
            keep(made, post(made, client.path, body, headers_of_era))
    for more in headers:
        post(made, client.path, text, {**usual, **more})
    for path in paths:
        keep(made, post(made, path, text, usual))
    resources = {"name": email, "uri": f"crm://persons/{email}"}
    for method in ("resources/read", "prompts/get", "completion/complete", "resources/subscribe"):
        for path in ("acme/docs", "acme/open", "acme/mask", "acme"):
            made.client(path).modern(method, resources)


def send_without_right(made: Field) -> None:
    unknown, other = keys.generate().text, made.gateway.key("globex", "mallory")
    made.secrets["a key that is not known"] = unknown[15:]
    arguments = {"name": "echo", "arguments": {"text": SENTENCE, "person": PERSON}}
    for path in ("acme/docs", "acme"):
        for credential in (unknown, other, made.gateway.key("acme", "auditor"), None, f"{unknown}{PERSON['email']}"):
            client = Client(made.gateway, f"/mcp/{path}", credential)
            for reply in (client.modern("tools/call", arguments), client.legacy("tools/call", arguments)):
                note(made, reply)
        client = made.client(path)
        note(made, client.send("POST", {}, {"X-API-Key": unknown}))
        note(made, client.modern("tools/call", {"name": client.key, "arguments": {"key": unknown}}))


def post(made: Field, path: str, body: str, headers: dict[str, str]) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", made.gateway.port, timeout=20)
    own = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json",
           "Authorization": f"Bearer {made.gateway.key('acme', 'laptop')}", **headers}  # fmt: skip
    try:
        connection.putrequest("POST", urllib.parse.quote(path, safe="/?=@&"), skip_host="Host" in own)
        for name, value in {**own, "Content-Length": str(len(body.encode()))}.items():
            connection.putheader(name, value)
        connection.endheaders(body.encode())
        response = connection.getresponse()
        answer = response.read()
        return answer if response.status >= 400 else b""
    except (http.client.HTTPException, OSError):
        return b""
    finally:
        connection.close()


def secrets_of_sessions(made: Field) -> dict[str, str | bytes]:
    """What the upstream calls its sessions, which clients only get sealed."""
    return {f"session {number} of the upstream": each for number, each in enumerate(sorted(made.upstream._sessions))}


def secrets_of_the_ring(made: Field) -> dict[str, str | bytes]:
    """Every key of the ring, as bytes."""
    ring = json.loads((made.gateway.home / "keys" / "keyring.json").read_text())
    found: dict[str, str | bytes] = {"secret of the ring": ring["secret_key"]}
    found["key of the log"] = bytes.fromhex(ring["audit"])
    for kind in ("peppers", "sealing", "signing"):
        found |= {f"{kind} {name}": bytes.fromhex(value) for name, value in ring.get(kind, {}).items()}
    return found


def lose_the_database_and_redis(made: Field) -> None:
    """Whatever is said about it, with the addresses at hand that hold the passwords."""
    arguments = {"name": "echo", "arguments": {"text": SENTENCE, "person": PERSON}}
    made.redis.stop()
    note(made, made.client("acme/mask").modern("tools/call", arguments))
    made.database.stop_at_once()
    for path in ("acme/docs", "acme"):
        note(made, made.client(path).modern("tools/call", arguments))
    made.browser.get("/admin/")
    made.command("audit", "verify", "--json")
    size = len(made.gateway.log.read_bytes())
    wait_until(lambda: len(made.gateway.log.read_bytes()) > size)
    made.redis.start()
    made.database.start()
    wait_until(lambda: made.client("acme/docs").modern("tools/list").status == 200)


def metrics(made: Field) -> bytes:
    request = urllib.request.Request(
        f"http://127.0.0.1:{made.gateway.port}/metrics",
        headers={"Authorization": f"Bearer {made.secrets['token of metrics']!s}"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return bytes(answer.read())


def all_of_redis(made: Field) -> bytes:
    """Every key with its value, as Redis would write them to a disk; what is compressed there is not here."""
    client, found = made.redis.client(), []
    for key in client.scan_iter():
        kind = client.type(key).decode()
        read: dict[str, Callable[[], Any]] = {
            "string": partial(client.get, key), "hash": partial(client.hgetall, key),
            "list": partial(client.lrange, key, 0, -1), "set": partial(client.smembers, key),
            "zset": partial(client.zrange, key, 0, -1), "stream": partial(client.xrange, key),
        }  # fmt: skip
        found.append(key + b" " + repr(read[kind]()).encode())
    return b"\n".join(found)


def rows(made: Field, question: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(made.database.url) as connection:
        return connection.execute(question).fetchall()


def spellings(value: str | bytes) -> set[bytes]:
    """As it is, in an address, in JSON and HTML, in base64 and hexadecimal, and a number without its gaps."""
    raw = value if isinstance(value, bytes) else value.encode()
    found = {raw, raw.hex().encode()}
    # In base64 by itself: what stands before it moves its letters, and of three ways to stand one is this one.
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        found |= {encode(raw)[: len(raw) // 3 * 4], encode(b"." + raw)[4 : len(raw) // 3 * 4],
                  encode(b".." + raw)[4 : len(raw) // 3 * 4]}  # fmt: skip
    if isinstance(value, str):
        found |= {urllib.parse.quote(value, safe="").encode(), value.replace(" ", "").encode()}
        found |= {value.replace(" ", "-").encode(), value.lower().encode()}
    return found
