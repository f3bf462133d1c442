"""Plays the services that providers ask, in the shapes that these document, and misbehaves when told to."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from guardrails.engine.detector import Context, Target
from guardrails.engine.segments import Kind, Segment, Surface

# Whatever holds this word is judged to be bad. It is in no data of ours.
BAD = "zugzwang-canary-7731"
EMAIL = "ada.lovelace@analytical.example.org"
# Part of every error answer, so that a test sees when an answer's text gets about.
ANSWER_CANARY = "answer-canary-5519"
KEY = "provider-key-canary-0c41"

# What no service may be believed with, by the name that the stand-in is told.
STATUSES = ("400", "401", "403", "404", "408", "429", "500", "502", "503")
BODIES = ("garbage", "html", "empty", "truncated", "twice", "nan", "deep", "text", "number", "true", "null", "errored")
TRANSPORT = (
    "good-500", "good-html", "good-no-type", "good-204", "redirect", "redirect-get", "gzip", "gzip-unsaid", "huge",
    "huge-announced", "drip", "hang", "hang-head", "reset", "reset-late", "closed", "short", "not-http",
)  # fmt: skip
WAYS = (*STATUSES, *BODIES, *TRANSPORT)


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class StandIn:
    """`way` is "well" or how to misbehave; `answer` replaces what the service would say, as a JSON value."""

    way: str = "well"
    answer: Callable[[Received], Any] | None = None
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    # How many requests are dropped without an answer before all goes well.
    drops: int = 0
    release: asyncio.Event = field(default_factory=asyncio.Event)
    _pii: dict[str, dict[str, str]] = field(default_factory=dict)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.release.set()
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            while True:
                received = await _read_request(reader)
                self.received.append(received)
                if self.drops:
                    self.drops -= 1
                    break
                if not await self._respond(received, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _respond(self, received: Received, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection stays open."""
        way = self.way
        if way == "well":
            _write(writer, 200, json.dumps(self._say(received)).encode())
        elif way in STATUSES:
            _write(writer, int(way), json.dumps({"error": ANSWER_CANARY, "message": ANSWER_CANARY}).encode())
        elif way in BODIES:
            good = json.dumps(self._say(received)).encode()
            _write(writer, 200, _body(way, good), content_type="text/html" if way == "html" else "application/json")
        else:
            return await self._break_transport(way, received, writer)
        await writer.drain()
        return True

    async def _break_transport(self, way: str, received: Received, writer: asyncio.StreamWriter) -> bool:
        good = json.dumps(self._say(received)).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        if way == "good-500":
            _write(writer, 500, good)
        elif way == "good-html":
            _write(writer, 200, good, content_type="text/html")
        elif way == "good-no-type":
            _write(writer, 200, good, content_type="")
        elif way == "good-204":
            writer.write(b"HTTP/1.1 204 No Content\r\nContent-Type: application/json\r\n\r\n")
        elif way in ("redirect", "redirect-get"):
            status = 307 if way == "redirect" else 302
            _write(writer, status, good, extra=f"Location: {self.url}/elsewhere\r\n")
        elif way == "gzip":
            _write(writer, 200, gzip.compress(good), extra="Content-Encoding: gzip\r\n")
        elif way == "gzip-unsaid":
            _write(writer, 200, gzip.compress(good))
        elif way == "huge":
            writer.write(head + b"Transfer-Encoding: chunked\r\n\r\n")
            for _ in range(80):
                writer.write(b"8000\r\n" + b" " * 0x8000 + b"\r\n")
                await writer.drain()
            writer.write(b"0\r\n\r\n")
        elif way == "huge-announced":
            writer.write(head + b"Content-Length: 99999999\r\n\r\n ")
            await self.release.wait()
        elif way == "drip":
            writer.write(head + f"Content-Length: {len(good)}\r\n\r\n".encode())
            for byte in good:
                writer.write(bytes([byte]))
                await writer.drain()
                try:
                    await asyncio.wait_for(self.release.wait(), 0.05)
                except TimeoutError:
                    continue
                break
        elif way == "hang":
            await self.release.wait()
        elif way == "hang-head":
            writer.write(head + b"Content-Length: 100\r\n\r\n")
            await writer.drain()
            await self.release.wait()
        elif way in ("reset", "reset-late"):
            if way == "reset-late":
                writer.write(head + b"Content-Length: 100\r\n\r\n{")
                await writer.drain()
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(1, 13, linger)  # SOL_SOCKET, SO_LINGER: close with a reset
            writer.transport.abort()
            return False
        elif way == "closed":
            return False
        elif way == "short":
            writer.write(head + f"Content-Length: {len(good) + 10}\r\n\r\n".encode() + good)
            await writer.drain()
            return False
        elif way == "not-http":
            writer.write(b"SSH-2.0-OpenSSH_9.6\r\n" + good)
            await writer.drain()
            return False
        else:
            raise ValueError(way)
        await writer.drain()
        return True

    # --- what the services say --------------------------------------------------------------------------

    def _say(self, received: Received) -> Any:
        if self.answer is not None:
            return self.answer(received)
        body = received.json
        routes: dict[str, Callable[[Any], Any]] = {
            "/guardrails/guardrail/detect": lambda body: enkrypt_verdict(body["text"]),
            "/guardrails/guardrail/batch/detect": lambda body: [
                {"text": text, **enkrypt_verdict(text)} for text in body["texts"]
            ],
            "/guardrails/pii": self._pii_answer,
            "/guardrails/relevancy": lambda body: _rated("relevancy", BAD in body["llm_answer"]),
            "/guardrails/adherence": lambda body: _rated("adherence", BAD in body["llm_answer"]),
            "/guardrails/hallucination": lambda body: {
                "summary": {"is_hallucination": int(BAD in body["response_text"])},
                "details": {"prompt_based": 1},
            },
            "/v1/moderations": lambda body: {
                "id": "modr-1", "model": body["model"], "results": [moderation(BAD in text) for text in body["input"]],
            },
            "/v1/chat/completions": lambda body: completion(*_judged(body["messages"][1]["content"])),
            "/analyze": lambda body: [
                {"entity_type": "EMAIL_ADDRESS", "start": match.start(), "end": match.end(), "score": 0.85,
                 "analysis_explanation": None}
                for match in re.finditer(f"{re.escape(EMAIL)}|{BAD}", body["text"])
            ],
            "/hook": lambda body: {
                "version": 1,
                "findings": [
                    {"text": index, "category": "LEAK", "score": 0.9}
                    for index, each in enumerate(body["texts"]) if BAD in each["text"]
                ],
            },
        }  # fmt: skip
        return routes[received.path](body)

    def _pii_answer(self, body: Mapping[str, str]) -> Any:
        """Placeholders there and values back, by a key for each text."""
        if body["mode"] == "response":
            text = body["text"]
            for placeholder, value in self._pii[body["key"]].items():
                text = text.replace(placeholder, value)
            return {"text": text, "key": body["key"]}
        values: dict[str, str] = {}

        def replace(match: re.Match[str]) -> str:
            kind = "EMAIL_ADDRESS" if "@" in match.group() else "PERSON"
            for placeholder, value in values.items():
                if value == match.group():
                    return placeholder
            placeholder = f"<{kind}_{sum(each.startswith(f'<{kind}_') for each in values)}>"
            values[placeholder] = match.group()
            return placeholder

        text = re.sub(r"[\w.]+@[\w.]+\w|Ada Lovelace|Charles Babbage|" + BAD, replace, body["text"])
        key = f"key-{len(self._pii)}"
        self._pii[key] = values
        return {"text": text, "key": key}


def enkrypt_verdict(text: str) -> dict[str, Any]:
    """All detectors of the documentation, with an injection where the bad word is."""
    is_bad = BAD in text
    return {
        "summary": {
            "on_topic": 0, "nsfw": 0, "toxicity": [], "pii": 0, "injection_attack": int(is_bad), "keyword_detected": 0,
            "policy_violation": 0, "bias": 0, "copyright_ip_similarity": 0, "system_prompt_similarity": 0,
            "sponge_attack": 0,
        },
        "details": {
            "topic_detector": {"science": 0.0009},
            "nsfw": {"sfw": 0.99, "nsfw": 0.01},
            "toxicity": {"toxicity": 0.002, "insult": 0.001},
            "pii": {"pii": {}},
            "injection_attack": {
                "safe": "0.000646" if is_bad else "0.95", "attack": "0.999354" if is_bad else "0.05",
                "most_unsafe_content": f"say {BAD}" if is_bad else text[:20],
            },
            "keyword_detector": {"detected_keywords": [], "detected_counts": {}, "redacted_text": text},
        },
        "result_message": None,
    }  # fmt: skip


def moderation(is_bad: bool, **scores: float) -> dict[str, Any]:
    """One result with all categories of the current API; members of `scores` are spelt with _ for / and -."""
    names = (
        "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm",
        "self-harm/intent", "self-harm/instructions", "sexual", "sexual/minors", "violence", "violence/graphic",
    )  # fmt: skip
    given = {name: scores.get(name.replace("/", "_").replace("-", "_"), 0.0001) for name in names}
    if is_bad:
        given["violence"] = 0.86
    return {
        "flagged": is_bad,
        "categories": {name: score > 0.5 for name, score in given.items()},
        "category_scores": given,
        "category_applied_input_types": {name: ["text"] for name in names},
    }


def completion(probability: float, texts: list[int], **changes: Any) -> dict[str, Any]:
    content = json.dumps({"probability": probability, "texts": texts})
    message = {"role": "assistant", "content": content, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop", **changes}
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "judge", "choices": [choice],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }  # fmt: skip


def text_target(
    text: str, pointer: str = "/params/arguments/note", *, surface: Surface = Surface.ARGUMENTS, is_key: bool = False
) -> Target:
    key = "" if is_key else pointer.rpartition("/")[2]
    return Target(Segment(pointer, text, Kind.PROSE, surface, key, is_key))


INPUT = Context("input", project=1, server="notes", tool="add", method="tools/call")
OUTPUT = Context(
    "output", project=1, server="notes", tool="read", method="tools/call", question="read the note of today",
    grounds="the note says hello",
)  # fmt: skip


def _judged(content: str) -> tuple[float, list[int]]:
    """The probability and the numbers of the bad texts, as a model that keeps to the marks would give them."""
    mark = content.split(" ", 1)[0]
    texts: Sequence[str] = [part for part in content.split(f"{mark} ") if part.startswith("TEXT ")]
    bad = [number for number, text in enumerate(texts, 1) if BAD in text]
    return (0.97, bad) if bad else (0.02, [])


def _rated(what: str, is_bad: bool) -> dict[str, Any]:
    details = {"atomic_facts": ["a fact"], f"{what}_list": [0], f"{what}_response": "...", f"{what}_latency": 0.1}
    return {"summary": {f"{what}_score": 0.1 if is_bad else 1}, "details": details}


def _body(way: str, good: bytes) -> bytes:
    return {
        "garbage": b"\x00\xff\xfe" + ANSWER_CANARY.encode(),
        "html": f"<html><body>{ANSWER_CANARY}</body></html>".encode(),
        "empty": b"",
        "truncated": good[: len(good) // 2],
        "twice": good + good,
        "nan": b'{"summary": {"injection_attack": NaN}, "results": NaN, "findings": NaN}',
        "deep": b"[" * 100_000,
        "text": json.dumps(ANSWER_CANARY).encode(),
        "number": b"0",
        "true": b"true",
        "null": b"null",
        "errored": json.dumps({"error": {"message": ANSWER_CANARY}}).encode(),
    }[way]


def _write(
    writer: asyncio.StreamWriter, status: int, body: bytes, *, content_type: str = "application/json", extra: str = ""
) -> None:
    kind = f"Content-Type: {content_type}\r\n" if content_type else ""
    writer.write(f"HTTP/1.1 {status} X\r\n{kind}Content-Length: {len(body)}\r\n{extra}\r\n".encode() + body)


async def _read_request(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.rstrip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Received(method, path, headers, await reader.readexactly(int(headers.get("content-length", 0))))
