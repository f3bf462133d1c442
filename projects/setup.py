"""The first operator's account, made through a link that works once and only while there is no operator."""

from __future__ import annotations

import hmac
import secrets
from pathlib import Path
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import login, password_validation
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from gateway_site.lib.secrets import sha256_hex
from projects.dress import Dressed
from projects.models import User
from projects.signals import acted


def needs_operator() -> bool:
    return not User.objects.filter(is_superuser=True).exists()


def make_token() -> str:
    """A fresh token for the link; only its digest is kept, in a file that nobody else can read."""
    token = secrets.token_urlsafe(32)
    path = _token_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)
    path.write_text(sha256_hex(token.encode()))
    return token


def _token_file() -> Path:
    return Path(settings.RUN_DIR) / "setup.token"


def _is_valid(token: str) -> bool:
    try:
        kept = _token_file().read_text().strip()
    except FileNotFoundError:
        return False
    return hmac.compare_digest(kept, sha256_hex(token.encode()))


def _use_up() -> None:
    """Only one request can remove the file, so two that come together do not both make an operator."""
    try:
        _token_file().unlink()
    except FileNotFoundError:
        raise Http404 from None


class OperatorForm(Dressed, forms.Form):
    email = forms.EmailField(
        label="E-mail address", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "username"})
    )
    password = forms.CharField(
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}), help_text="At least 8 characters."
    )

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"].lower()
        if User.objects.filter(email=email).exists():
            raise forms.ValidationError("That person is known already; use another address for the operator.")
        return email

    def _person(self) -> User:
        return User(email=self.cleaned_data.get("email", ""))

    def clean(self) -> dict[str, Any] | None:
        password = self.cleaned_data.get("password")
        if password:
            try:
                password_validation.validate_password(password, self._person())
            except forms.ValidationError as error:
                self.add_error("password", error)
        return self.cleaned_data


@sensitive_post_parameters()
@never_cache
def setup_view(request: HttpRequest, token: str) -> HttpResponse:
    """404 for a wrong or used link, the same as for any unknown page."""
    if not _is_valid(token) or not needs_operator():
        raise Http404
    form = OperatorForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        context = {**admin.site.each_context(request), "title": "The first operator", "form": form}
        return render(request, "setup.html", context, status=200 if request.method != "POST" else 422)
    _use_up()
    with transaction.atomic():
        user = User.objects.create_superuser(**form.cleaned_data)
        acted.send(sender=User, kind="operator.created", project=None, subject=user.email, detail={})
    login(request, user)
    return redirect("admin:index")
