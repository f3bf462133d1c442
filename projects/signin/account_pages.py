"""The page of one's own account: second factors, recovery codes, and the browsers that are signed in."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import authenticate, update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST

from projects import people
from projects.dress import Dressed
from projects.models import Passkey, TotpDevice, User
from projects.signin import factors, sessions, verification
from projects.signin.again import ask_again
from projects.signin.opening import for_verified, show

_MOST_SHOWN = 100


@for_verified
def account(request: HttpRequest, person: User) -> HttpResponse:
    own = _own(request)
    context = {
        "person": person,
        "factors": [
            *Passkey.objects.filter(user=person, confirmed=True),
            *TotpDevice.objects.filter(user=person, confirmed=True),
        ],
        "codes_left": factors.codes_left(person),
        "must": verification.must_have_factor(person),
        "sessions": [(row, row.session_key == own) for row in sessions.open_of(person)[:_MOST_SHOWN]],
    }
    return show(request, "account.html", "Your account", context)


class NewPasswordForm(Dressed, PasswordChangeForm):
    request: HttpRequest

    def clean_old_password(self) -> str:
        """A wrong one counts as at the sign-in, and is on record."""
        given: str = self.cleaned_data["old_password"]
        if authenticate(self.request, username=self.user.get_username(), password=given) != self.user:
            raise ValidationError(self.error_messages["password_incorrect"], code="password_incorrect")
        return given


@for_verified
def password(request: HttpRequest, person: User) -> HttpResponse:
    """Every other browser of the person's is signed out."""
    if answer := ask_again(request):
        return answer
    form = NewPasswordForm(person, request.POST or None)
    form.request = request
    if request.method == "POST" and form.is_valid():
        people.change_password(user=person, password=form.cleaned_data["new_password1"], but=_own(request))
        update_session_auth_hash(request, person)
        messages.info(request, "Your password is changed, and you are signed out everywhere else.")
        return redirect("admin:account")
    return show(request, "new_password.html", "Change the password", {"form": form},
                status=422 if form.errors else 200)  # fmt: skip


def _own(request: HttpRequest) -> str:
    return sessions.digest_of(request.session.session_key or "")


@require_POST
@for_verified
def end_session(request: HttpRequest, person: User) -> HttpResponse:
    """One of the list, or all but this one."""
    digest = request.POST.get("session", "")
    if digest:
        ended = int(digest.isalnum() and sessions.end_session(user=person, digest=digest))
    else:
        ended = sessions.end_sessions(user=person, but=_own(request))
    messages.info(request, f"{ended} signed out.")
    return redirect("admin:account")


@require_POST
@for_verified
def remove_factor(request: HttpRequest, person: User) -> HttpResponse:
    if answer := ask_again(request):
        return answer
    try:
        device = verification.factor_named(person, request.POST.get("device"))
        if device is None:
            raise ValidationError("You have no such passkey or authenticator app.")
        factors.remove_factor(user=person, device=device)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    return redirect("admin:account")


def urls() -> list[URLPattern]:
    return [
        path("account/", account, name="account"),
        path("account/password/", password, name="account_password"),
        path("account/sign-out/", end_session, name="account_end_session"),
        path("account/remove/", remove_factor, name="account_remove_factor"),
    ]
