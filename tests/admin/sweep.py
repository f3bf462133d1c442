"""Every page that the admin site has, found in the site itself, and asked for in every way for what is another's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.messages.storage.cookie import CookieStorage
from django.db.models import ForeignKey, Model
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, URLResolver, reverse

from audit.models import SavedFilter
from projects.scoping import unscoped
from tests.admin.tenants import Tenants, rows_of
from tests.rest.canaries import canary_of

NOBODYS = 9_999_999_999
_STANDARD = ("changelist", "add", "change", "delete", "history")
# Numbers in these addresses are those of other models' rows.
_NAMED = {"audit_event_change_filter": SavedFilter}


@dataclass(frozen=True)
class Visit:
    """One request. `about` is the row's number that its address names."""

    path: str
    data: tuple[tuple[str, str], ...] = ()
    method: str = "GET"
    about: int | None = None

    def by(self, client: Client) -> Any:
        if self.method == "GET":
            return client.get(self.path)
        by_name: dict[str, list[str]] = {}
        for name, value in self.data:
            by_name.setdefault(name, []).append(value)
        return client.post(self.path, by_name)


@dataclass
class Leaks:
    found: list[str] = field(default_factory=list)
    visits: int = 0
    own: int = 0

    def look(self, response: Any, visit: Visit, foreign: str, own: str) -> None:
        text = text_of(response)
        self.visits += 1
        self.own += own in text
        if foreign in text or response.status_code >= 500:
            self.found.append(f"{response.status_code} {visit.method} {visit.path} {dict(visit.data)}")


def text_of(response: Any) -> str:
    """All that was sent: the page, its headers, and the messages that a cookie brings to the next page."""
    body = b"".join(response.streaming_content) if response.streaming else response.content
    headers = {name: value for name, value in response.headers.items() if name not in ("Expires", "Set-Cookie")}
    said = response.cookies.get("messages")
    storage: Any = CookieStorage(response.wsgi_request)
    messages = storage._decode(said.value) if said is not None and said.value else []
    return f"{body.decode(errors='replace')} {headers} {[str(each) for each in messages or ()]}"


def models_with_pages() -> list[type[Model]]:
    return sorted(admin.site._registry, key=lambda model: model._meta.label)


def prefix_of(model: type[Model]) -> str:
    return f"admin:{model._meta.app_label}_{model._meta.model_name}"


def visits_of(model: type[Model], two: Tenants) -> list[Visit]:
    """Each page of a model with what can be asked of it: one's own rows and another's."""
    if model not in two.visits:
        two.visits[model] = list(_visits_of(model, two))
    return two.visits[model]


# What both canaries begin with, so that an answer that repeats what was looked for is none that shows it.
_START = canary_of("")


def _visits_of(model: type[Model], two: Tenants) -> Iterator[Visit]:
    page = admin.site._registry[model]
    changelist = reverse(f"{prefix_of(model)}_changelist")
    columns = ".".join(str(each) for each in range(1, len(page.list_display) + 1))
    yield Visit(changelist)
    for query in ({"q": _START}, {"all": "", "o": columns}):
        yield Visit(f"{changelist}?{urlencode(query)}")
    for chosen in filters_of(model, two):
        yield Visit(changelist + chosen)
    yield Visit(f"{reverse(f'{prefix_of(model)}_add')}?{urlencode(foreign_initial(model, two))}")
    for number in numbers_of(model, two):
        for name in ("change", "history", "delete"):
            yield Visit(reverse(f"{prefix_of(model)}_{name}", args=[number]), about=number)
    for relation in model._meta.fields:
        if isinstance(relation, ForeignKey):
            place = {"app_label": model._meta.app_label, "model_name": model._meta.model_name,
                     "field_name": relation.name, "term": _START}  # fmt: skip
            yield Visit(f"{reverse('admin:autocomplete')}?{urlencode(place)}")
    for path, about in own_addresses(model, two):
        yield Visit(path, about=about)


def filters_of(model: type[Model], two: Tenants) -> list[str]:
    """All that the operator, who sees both tenants, is offered to filter by."""
    response = two.client("operator").get(reverse(f"{prefix_of(model)}_changelist"))
    listed = (response.context_data or {}).get("cl") if hasattr(response, "context_data") else None
    if listed is None:
        return ["?within=all", f"?within=all&project={two.globex.pk}", f"?within=all&q={_START}"]
    offered = [choice.get("query_string", "?") for spec in listed.filter_specs for choice in spec.choices(listed)]
    # A text that is filtered by is said again in the answer.
    return [query for query in offered if query != "?" and two.globex.slug not in query]


def foreign_initial(model: type[Model], two: Tenants) -> dict[str, str]:
    """Another's rows, as a link may give them to a form."""
    found = {}
    for each in model._meta.fields:
        if isinstance(each, ForeignKey):
            with unscoped("the test names a row of any project"):
                row = rows_of(each.related_model, two.globex).order_by("pk").last()
            if row is not None:
                found[each.name] = str(row.pk)
    return found


def numbers_of(model: type[Model], two: Tenants) -> list[int]:
    """One's own and another's."""
    with unscoped("the test names rows of any project"):
        return [row.pk for project in (two.acme, two.globex)
                if (row := rows_of(model, project).order_by("pk").last()) is not None]  # fmt: skip


def own_addresses(model: type[Model], two: Tenants) -> Iterator[tuple[str, int | None]]:
    """Those that are none of Django's."""
    start, seen = prefix_of(model).removeprefix("admin:"), set[str]()
    for pattern in _patterns(admin.site.get_urls()):
        name = pattern.name or ""
        if not name.startswith(f"{start}_") or name.removeprefix(f"{start}_") in _STANDARD:
            continue
        for number in numbers_of(_NAMED.get(name, model), two):
            for argument in ({}, *({each: number} for each in pattern.pattern.converters)):
                try:
                    path = reverse(f"admin:{name}", kwargs=argument)
                except NoReverseMatch:
                    continue
                if path not in seen:
                    seen.add(path)
                    yield path, number if argument else None


def _patterns(listed: Any) -> Iterator[URLPattern]:
    for each in listed:
        if isinstance(each, URLResolver):
            yield from _patterns(each.url_patterns)
        else:
            yield each


def writes_of(model: type[Model], two: Tenants) -> Iterator[Visit]:
    """Everything that a page does, done to what is another's."""
    page = admin.site._registry[model]
    with unscoped("the test names a row of any project"):
        foreign = rows_of(model, two.globex).order_by("pk").last()
        versions = [row.pk for row in rows_of(_version(), two.globex)]
    for path, _ in own_addresses(model, two):
        data = [("act", "approve"), ("act", "delete"), ("post", "yes"), *(("version", str(pk)) for pk in versions),
                *foreign_initial(model, two).items()]  # fmt: skip
        yield Visit(path, tuple(data), "POST")
    if foreign is None:
        return
    yield Visit(reverse(f"{prefix_of(model)}_delete", args=[foreign.pk]), (("post", "yes"),), "POST", foreign.pk)
    yield Visit(
        reverse(f"{prefix_of(model)}_change", args=[foreign.pk]),
        (("name", "taken"), ("label", "taken"), ("role", "owner"), ("reason", "taken"), ("_save", "1")), "POST",
        foreign.pk,
    )  # fmt: skip
    actions = {"delete_selected", *(each if isinstance(each, str) else each.__name__ for each in page.actions or ())}
    for action in sorted(actions):
        done = (("action", action), ("_selected_action", str(foreign.pk)), ("post", "yes"), ("confirmed", "yes"))
        yield Visit(reverse(f"{prefix_of(model)}_changelist"), done, "POST", foreign.pk)


def _version() -> type[Model]:
    from servers.models import ToolVersion

    return ToolVersion


def sweep(two: Tenants, role: str, only: type[Model] | None = None) -> Leaks:
    """All pages, read as one role of acme: what of globex was shown, and whether acme's own was."""
    leaks, client = Leaks(), two.client(role)
    own, foreign = two.acme.slug, two.globex.slug
    for model in [only] if only else models_with_pages():
        for visit in visits_of(model, two):
            leaks.look(visit.by(client), visit, foreign, own)
    if only is None:
        apps = sorted({model._meta.app_label for model in models_with_pages()})
        for path in (reverse("admin:index"), *(reverse("admin:app_list", args=[app]) for app in apps)):
            visit = Visit(path)
            leaks.look(visit.by(client), visit, foreign, own)
    return leaks


def notices(two: Tenants, role: str, model: type[Model]) -> bool:
    """Whether the same look at one model's pages finds anything; the first find is enough."""
    leaks, client = Leaks(), two.client(role)
    for visit in visits_of(model, two):
        leaks.look(visit.by(client), visit, two.globex.slug, two.acme.slug)
        if leaks.found:
            return True
    return False
