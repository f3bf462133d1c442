"""The demo project's HTTP server, written on `mcp`: harmless tools that show what a gateway is for."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

import uvicorn
from mcp.server.mcpserver import Context, MCPServer

server: MCPServer[Any] = MCPServer("demo", instructions="Harmless tools for trying the gateway.", log_level="ERROR")


@server.tool()
def echo(text: str) -> str:
    """Gives the text back."""
    return text


@server.tool()
def customer(number: int = 1) -> dict[str, str]:
    """A made-up customer record with personal data in it."""
    return {
        "number": str(number),
        "name": "Erika Mustermann",
        "email": "erika.mustermann@example.com",
        "phone": "+49 30 901820",
        "iban": "DE89 3704 0044 0532 0130 00",
        "address": "Heidestraße 17, 51147 Köln",
    }


@server.tool()
async def slow(ctx: Context[Any, Any], steps: int = 5, seconds: float = 0.2) -> str:
    """Takes its time and reports progress after each step. At most 100 steps of 5 seconds."""
    count, pause = max(1, min(steps, 100)), max(0.0, min(seconds, 5.0))
    for step in range(1, count + 1):
        await asyncio.sleep(pause)
        await ctx.report_progress(step, count, f"step {step} of {count}")
    return f"{count} steps done"


@server.tool()
def fail(reason: str = "as asked") -> str:
    """Always fails."""
    raise ValueError(f"This tool fails, {reason}.")


@server.resource("demo://about")
def about() -> str:
    """What this server is."""
    return "The demo server of Secure MCP Gateway."


@server.prompt()
def greet(name: str) -> str:
    """A prompt that greets somebody."""
    return f"Greet {name} kindly."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8765)
    options = parser.parse_args()
    uvicorn.run(server.streamable_http_app(), host=options.host, port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
