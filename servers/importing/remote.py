"""Whether a server at an address can be what somebody else's file says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError

from gateway_site.lib import egress
from gateway_site.lib.references import literal
from servers.services import check_headers


class NoAddress(Exception):
    """It cannot be reached from here; the text says why."""


def remote(transport: str, url: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """The fields of a declared server. Raises NoAddress."""
    try:
        egress.check_url(url)
        check_headers(headers)
    except egress.EgressDenied as error:
        raise NoAddress(f"{error} (GATEWAY_EGRESS_ALLOW opens what the operator wants)") from None
    except ValidationError as error:
        raise NoAddress("; ".join(error.messages)) from None
    given = {name: literal(value) for name, value in headers.items()}
    return {"transport": transport, "url": url, **({"headers": given} if given else {})}
