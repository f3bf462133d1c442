"""The page of one's own admin tokens, which open REST: issued and shown once, listed, and revoked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache

from projects import permissions, tokens
from projects.access import roles_at
from projects.dress import Dressed
from projects.models import AdminToken, Project, User
from projects.pages import LinesField, is_operator
from projects.signin.again import recently_verified
from projects.switcher import MAX_LISTED, chosen_at, projects_of

_MOST_SHOWN = 200
_DAYS = 90
# What each action of projects.permissions lets a token do, in words.
ACTIONS = {
    permissions.CONFIG_READ: "read servers, tools, rules and policies",
    permissions.CONFIG_WRITE: "change them, and decide what waits for review",
    permissions.KEYS_OWN: "issue and revoke keys of your own",
    permissions.KEYS_ALL: "issue and revoke everybody's keys",
    permissions.MEMBERS_WRITE: "invite, change and remove members",
    permissions.AUDIT_READ: "read the log",
    permissions.AUDIT_EXPORT: "export the log",
    permissions.GATEWAY_READ: "read what is the gateway's: accounts, command templates, the floor",
    permissions.GATEWAY_WRITE: "change it",
}
_OF_OPERATORS = (permissions.GATEWAY_READ, permissions.GATEWAY_WRITE)


class TokenForm(Dressed, forms.Form):
    """One's own; services.tokens says whether the person may have it."""

    project = forms.CharField(required=False, max_length=63)
    label = forms.CharField(max_length=100, help_text="Where it will be used, as in: nightly backup.")
    actions = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple, label="What it may do",
        help_text="Never more than you may do yourself at that moment.",
    )  # fmt: skip
    days = forms.IntegerField(
        min_value=1, max_value=tokens.LONGEST.days, initial=_DAYS, label="Days that it lasts",
        help_text=f"{tokens.LONGEST.days} at most.",
    )  # fmt: skip
    networks = LinesField(
        required=False, help_text="Works from these only, one on each line, as 192.0.2.0/24. Empty: from anywhere."
    )

    def __init__(self, request: HttpRequest, data: Any = None) -> None:
        chosen = chosen_at(request)
        super().__init__(data, initial={"project": chosen.slug if chosen else ""})
        self._request = request
        is_wide = is_operator(request)
        asked = self.fields["project"]
        asked.required = not is_wide
        asked.help_text = "Its name in addresses." + (" Empty: the whole gateway." if is_wide else "")
        asked.widget.attrs |= {"list": "token-projects", "autocomplete": "off"}
        actions = self.fields["actions"]
        assert isinstance(actions, forms.MultipleChoiceField)  # noqa: S101  declared above
        actions.choices = [(name, f"{words} ({name})") for name, words in ACTIONS.items()
                           if is_wide or name not in _OF_OPERATORS]  # fmt: skip

    def clean_project(self) -> Project | None:
        """One that there never was and another's get the same answer."""
        slug = self.cleaned_data["project"]
        if not slug:
            return None
        found = projects_of(self._request).filter(slug=slug).first()
        if found is None:
            raise ValidationError("You are in no project of this name.")
        return found

    def perform(self, person: User) -> tuple[AdminToken, str]:
        """The token and its text, which is never to be had again. Raises ValidationError."""
        given = self.cleaned_data
        return tokens.issue_token(
            user=person, project=given["project"], label=given["label"], actions=given["actions"],
            networks=given["networks"], expires_at=timezone.now() + timedelta(days=given["days"]),
        )  # fmt: skip


@recently_verified
@never_cache
def tokens_page(request: HttpRequest) -> HttpResponse:
    """A token's text is in the one answer to the request that made it."""
    person = request.user
    if not isinstance(person, User) or not (is_operator(request) or roles_at(request)):
        raise PermissionDenied
    if request.POST.get("act") == "revoke":
        return _revoke(request, person)
    form, text = TokenForm(request, request.POST or None), ""
    if form.is_bound and form.is_valid():
        try:
            _, text = form.perform(person)
            form = TokenForm(request)
        except ValidationError as error:
            _show(form, error)
    context = {
        **admin.site.each_context(request), "title": "REST tokens", "form": form, "text": text,
        "tokens": [(each, _state(each)) for each in _own(person)[:_MOST_SHOWN]],
        "offered": projects_of(request).values_list("slug", flat=True)[:MAX_LISTED],
    }  # fmt: skip
    return render(request, "admin/projects/tokens.html", context, status=422 if form.errors else 200)


def _own(person: User) -> Any:
    return AdminToken.objects.filter(user=person).select_related("project").order_by("-pk")


def _state(token: AdminToken) -> str:
    if token.revoked_at is not None:
        return "revoked"
    return "expired" if token.expires_at <= timezone.now() else "live"


def _revoke(request: HttpRequest, person: User) -> HttpResponse:
    wanted = request.POST.get("token", "")
    token = _own(person).filter(token_id=wanted, revoked_at=None).first() if wanted.isalnum() else None
    if token is not None:
        tokens.revoke_token(token=token)
        messages.info(request, f"{token} opens nothing any more.")
    return redirect("admin:tokens")


def _show(form: TokenForm, error: ValidationError) -> None:
    """A service's no beside the field that it is about."""
    by_field = error.error_dict if hasattr(error, "error_dict") else {None: error.error_list}
    names = {"user": "project", "expires_at": "days"}
    for field, errors in by_field.items():
        name = names.get(str(field), field)
        form.add_error(name if name in form.fields else None, ValidationError(errors))
