"""What tests show of a server's list, and what the catalogue says of it then."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from audit.models import Event
from projects.scoping import with_project
from servers import observing, offers
from servers.definitions import digest
from servers.models import Server, Tool, ToolVersion
from servers.observing import Listed

SCHEMA = {"type": "object"}


def definition(name: str, description: str = "Reads.", **members: Any) -> dict[str, Any]:
    return {"name": name, "description": description, "inputSchema": SCHEMA, **members}


def listed(*definitions: dict[str, Any]) -> list[Listed]:
    return [Listed("tool", each["name"], each) for each in definitions]


def see(server: Server, *definitions: dict[str, Any], era: str = "modern", whole: Iterable[str] = ("tool",)) -> bool:
    """The server lists these tools, and no others."""
    return observing.observe(server=server, era=era, listed=listed(*definitions), whole=whole)


def tool(server: Server, name: str = "read") -> Tool:
    with with_project(server.project_id):
        return Tool.objects.get(server=server, name=name)


def state(server: Server, name: str = "read") -> str:
    return tool(server, name).state


def version(server: Server, shown: dict[str, Any], name: str = "read") -> ToolVersion:
    with with_project(server.project_id):
        return ToolVersion.objects.get(tool__server=server, tool__name=name, digest=digest(shown))


def count(server: Server, name: str = "read") -> int:
    with with_project(server.project_id):
        return ToolVersion.objects.filter(tool__server=server, tool__name=name).count()


def shows(server: Server, shown: dict[str, Any], kind: str = "tool") -> bool:
    """Whether this entry of the server's list is passed on."""
    with with_project(server.project_id):
        (offer,) = offers.load([Server.objects.get(pk=server.pk)]).values()
    return offer.shows(kind, shown["name"], digest(shown))


def events(kind: str) -> list[Event]:
    return list(Event.objects.filter(kind=kind).order_by("ord"))


FIRST, CHANGED, THIRD = definition("read"), definition("read", "Reads, then sends."), definition("read", "Third.")
