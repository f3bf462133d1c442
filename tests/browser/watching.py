"""What a page does that no page of ours may: it is collected while the page is open, and asked for afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, CDPSession, ConsoleMessage, Page, Request, WebSocket

# Set before anything of a page runs. Hostile text calls `canary`, which no program of ours does.
_WATCH = """
addEventListener("securitypolicyviolation", (event) =>
  report("violation", `${event.effectiveDirective} ${event.blockedURI} at ${event.sourceFile}:${event.lineNumber}`));
globalThis.canary = (number) => report("canary", String(number));
"""


@dataclass
class Watch:
    """Everything that went wrong in one browser context, each with the page that it happened on."""

    host: str
    violations: list[str] = field(default_factory=list)
    canaries: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    external: list[str] = field(default_factory=list)

    def over(self, context: BrowserContext) -> None:
        context.expose_binding("report", self._report)
        context.add_init_script(_WATCH)
        context.on("console", self._said)
        context.on("weberror", lambda raised: self.errors.append(f"{raised.page and raised.page.url}: {raised.error}"))
        context.on("request", self._asked)
        context.on("page", lambda page: page.on("websocket", self._connected))

    def found(self) -> dict[str, list[str]]:
        """Empty when all is well."""
        kinds = {"violations": self.violations, "canaries": self.canaries, "errors": self.errors,
                 "external requests": self.external}  # fmt: skip
        return {kind: list(dict.fromkeys(texts))[:20] for kind, texts in kinds.items() if texts}

    def _report(self, source: dict[str, object], kind: str, text: str) -> None:
        page = source["page"]
        url = page.url if isinstance(page, Page) else "?"
        (self.canaries if kind == "canary" else self.violations).append(f"{url}: {text}")

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "assert"):
            self.errors.append(f"{message.page and message.page.url}: {message.text}")

    def _asked(self, request: Request) -> None:
        self._look_at(request.url)

    def _connected(self, socket: WebSocket) -> None:
        self._look_at(socket.url)

    def _look_at(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob", "about") and parts.netloc != self.host:
            self.external.append(url)


class Bytes:
    """How much comes over the wire for a page that the browser has nothing of yet."""

    def __init__(self, page: Page) -> None:
        self._session: CDPSession = page.context.new_cdp_session(page)
        self._session.send("Network.enable")
        self._session.send("Network.setCacheDisabled", {"cacheDisabled": True})
        self._session.on("Network.loadingFinished", self._finished)
        self.total = 0

    def start(self) -> None:
        self.total = 0

    def _finished(self, event: dict[str, float]) -> None:
        self.total += int(event["encodedDataLength"])
