"""Who guesses too often is not listened to for a while: django-axes, by account and address together."""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_network
from typing import Any

from axes.handlers.proxy import AxesProxyHandler
from django.db import transaction
from django.http import HttpRequest

from gateway_site.lib.actor import Actor, acting_as
from gateway_site.lib.addresses import address_of
from projects.models import Session, TotpDevice, User
from projects.signals import acted

_EMAIL = re.compile(r"[^@\s\x00]+@[^@\s\x00]+\.[^@\s\x00]+")
# Who has one address of IPv6 has as a rule all of its network of this length.
_IPV6_PREFIX = 64


def typed_email(typed: Any) -> str:
    """People type their password into the wrong field; only what looks like an address is kept."""
    text = str(typed or "")[:254]
    return text if _EMAIL.fullmatch(text) else ""


def account_of(request: HttpRequest | None, credentials: dict[str, Any] | None) -> str:
    """AXES_USERNAME_CALLABLE: whom it is about, as it is counted."""
    return typed_email((credentials or {}).get("username")).lower()


def counted_address(request: HttpRequest) -> str | None:
    """AXES_CLIENT_IP_CALLABLE, by the gateway's rules of proxies (GATEWAY_TRUSTED_PROXIES)."""
    address = address_of(request)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _IPV6_PREFIX), strict=False).network_address)
    return str(address) if address else None


def is_locked(request: HttpRequest, user: User) -> bool:
    return not AxesProxyHandler.is_allowed(request, _credentials(user))


def note_wrong_code(request: HttpRequest, user: User) -> None:
    """A second factor that was wrong counts like a password that was. On record."""
    AxesProxyHandler.user_login_failed(__name__, _credentials(user), request)
    with acting_as(Actor("user", str(user.pk), user.email)):
        acted.send(sender=Session, kind="auth.second_factor_failed", project=None, subject=user.email,
                   decision="refused", detail={"address": str(address_of(request) or "")})  # fmt: skip


def forget(request: HttpRequest, user: User) -> None:
    """What was wrong before, since the person has proved who they are. A password alone is no such proof."""
    AxesProxyHandler.reset_attempts(username=user.email, ip_address=counted_address(request))


@transaction.atomic
def unlock(*, user: User) -> int:
    """From every address, and for every authenticator. From how many addresses it was counted."""
    count = AxesProxyHandler.reset_attempts(username=user.email)
    TotpDevice.objects.filter(user=user).update(throttling_failure_count=0, throttling_failure_timestamp=None)
    acted.send(sender=User, kind="user.unlocked", project=None, subject=user.email, detail={"counted": count})
    return count


def _credentials(user: User) -> dict[str, Any]:
    return {"username": user.email}
