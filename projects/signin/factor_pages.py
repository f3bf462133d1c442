"""The pages of second factors: setting one up, being asked for it, and the recovery codes."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib.auth import authenticate, logout
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST

from gateway_site.lib.jsontext import depth
from projects.access import may_enter
from projects.dress import Dressed
from projects.models import TotpDevice, User
from projects.rest.meter import Meter
from projects.signin import factors, lockout, passkeys, verification
from projects.signin.again import ask_again
from projects.signin.opening import for_person, next_step, onward, show, with_next

_WRONG = "That was not right. A code works once, and an app's for half a minute; after wrong ones, wait a little."
# Each begun by nobody in particular makes a session of five minutes.
_PROOFS_PER_MINUTE = 60
# Of its own: whoever has many addresses fills it, and that may not be what tokens of REST are counted in.
_proofs = Meter()
_MAX_DEPTH = 8
_SHOWN = "app_shown"


class CodeForm(Dressed, forms.Form):
    code = forms.CharField(
        max_length=64,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autofocus": True, "spellcheck": "false"}),
    )


class PasswordForm(Dressed, forms.Form):
    password = forms.CharField(
        strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True})
    )


# --- being asked ------------------------------------------------------------------------------------------


@for_person
def second_factor(request: HttpRequest, person: User) -> HttpResponse:
    """After the password, and again before what matters. Who needs no second factor and has none gives the password."""
    if not verification.has_factor(person):
        if verification.must_have_factor(person) and verification.may_begin(request):
            return redirect(with_next(request, reverse("admin:second_factor_set_up")))
        return _ask_password(request, person)
    form = CodeForm(request.POST if request.method == "POST" else None, label_suffix="")
    form.fields["code"].label = "Code of your authenticator app, or a recovery code"
    if request.method == "POST" and form.is_valid() and _is_proved(request, person, form.cleaned_data["code"]):
        return _go_on(request)
    if request.method == "POST" and not form.errors:
        form.add_error("code", _WRONG)
    title = "Is it you?" if request.user.is_authenticated else "Second factor"
    context = {
        "form": form, "person": person, "has_passkeys": bool(passkeys.of_host(request, person)),
        "has_app": TotpDevice.objects.filter(user=person, confirmed=True).exists(),
    }  # fmt: skip
    return show(request, "second_factor.html", title, context, status=422 if form.errors else 200)


def _is_proved(request: HttpRequest, person: User, code: str) -> bool:
    if lockout.is_locked(request, person):
        return False
    device = factors.check_code(user=person, code=code)
    if device is None:
        lockout.note_wrong_code(request, person)
        return False
    lockout.forget(request, person)
    verification.note_proof(request, person, device.name.lower(), device)
    return True


def _ask_password(request: HttpRequest, person: User) -> HttpResponse:
    form = PasswordForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        if authenticate(request, username=person.email, password=form.cleaned_data["password"]) == person:
            lockout.forget(request, person)
            verification.note_proof(request, person, "password")
            return redirect(onward(request))
        form.add_error("password", "That was not right.")
    return show(request, "password.html", "Is it you?", {"form": form, "person": person},
                status=422 if form.errors else 200)  # fmt: skip


def _go_on(request: HttpRequest) -> HttpResponse:
    if verification.are_codes_due(request.session):
        return redirect(with_next(request, reverse("admin:recovery_codes")))
    return redirect(onward(request))


# --- setting up -------------------------------------------------------------------------------------------


@for_person
def set_up(request: HttpRequest, person: User) -> HttpResponse:
    """The first factor of who has none, with the password; another one, with a factor that was just given."""
    if answer := _may_not_add(request, person):
        return answer
    form = CodeForm(request.POST or None, label_suffix="")
    form.fields["code"].label = "The 6 digits that the app shows"
    if request.method == "POST" and form.is_valid():
        try:
            device = factors.confirm_totp(user=person, code=form.cleaned_data["code"], shown=_shown(request))
        except ValidationError as error:
            form.add_error("code", error)
        else:
            if device is not None:
                verification.note_proof(request, person, device.name.lower(), device)
                return _go_on(request)
            form.add_error("code", "That was not right: give the code that the app shows now.")
    app = factors.begin_totp(user=person, shown=_shown(request))
    request.session[_SHOWN] = str(app.uid)
    context = {
        "form": form, "qr": _qr(factors.address_of_totp(app)), "secret": factors.text_of(app), "person": person,
        "must": verification.must_have_factor(person), "is_first": not verification.has_factor(person),
    }  # fmt: skip
    return show(request, "set_up.html", "Set up a second factor", context, status=422 if form.errors else 200)


def _shown(request: HttpRequest) -> str:
    """Which app this browser was shown: what another one was shown, somebody else may know."""
    return str(request.session.get(_SHOWN, ""))


def _may_not_add(request: HttpRequest, person: User) -> HttpResponse | None:
    """The way to what comes first. A password alone adds nothing to who has a factor, and an old session nothing.

    Without this whoever finds a browser open would set up a factor of their own, and so be somebody who has just
    proved who they are.
    """
    if not verification.has_factor(person):
        return None if verification.may_begin(request) else ask_again(request)
    if not verification.is_verified(person, request.session):
        return redirect(with_next(request, reverse("admin:second_factor")))
    return ask_again(request)


def _qr(text: str) -> SafeString:
    """An SVG of ours alone: squares, no text."""
    import segno

    drawn = segno.make(text, error="m", micro=False)
    return mark_safe(drawn.svg_inline(scale=5, border=3, dark="#000", light="#fff"))  # noqa: S308  numbers only


# --- recovery codes ---------------------------------------------------------------------------------------


@for_person
def recovery_codes(request: HttpRequest, person: User) -> HttpResponse:
    """Shown in the answer that makes them and nowhere else; they work once the person says that they are kept."""
    if not verification.is_verified(person, request.session):
        return redirect(with_next(request, next_step(request, person)))
    if not verification.are_codes_due(request.session) and (answer := ask_again(request)):
        return answer
    codes: list[str] = []
    if request.POST.get("act") == "make":
        codes = factors.make_codes(user=person)
    elif request.POST.get("act") == "keep" and factors.keep_codes(user=person):
        verification.note_codes_kept(request.session)
        return redirect(onward(request))
    context = {"codes": codes, "left": factors.codes_left(person), "person": person}
    return show(request, "recovery_codes.html", "Recovery codes", context)


# --- passkeys, as the browser's script asks for them ------------------------------------------------------


@require_POST
@for_person
def passkey_register_begin(request: HttpRequest, person: User) -> HttpResponse:
    return _may_not_add_here(request, person) or _json(lambda: passkeys.begin_registration(request, person))


@require_POST
@for_person
def passkey_register_finish(request: HttpRequest, person: User) -> HttpResponse:
    def act() -> dict[str, Any]:
        passkey = passkeys.finish_registration(request, person, _body(request))
        verification.note_proof(request, person, "passkey", passkey)
        return {"next": _go_on(request)["Location"]}

    return _may_not_add_here(request, person) or _json(act)


def _may_not_add_here(request: HttpRequest, person: User) -> HttpResponse | None:
    answer = _may_not_add(request, person)
    return None if answer is None else JsonResponse({"next": with_next(request, reverse("admin:second_factor"))})


@require_POST
@never_cache
@csrf_protect
def passkey_begin(request: HttpRequest) -> HttpResponse:
    """To sign in with nothing else, or as a second factor of who has given the password."""
    if _proofs.take(str(lockout.counted_address(request)), _PROOFS_PER_MINUTE).is_over:
        return JsonResponse({"error": "Too many at once: try again in a minute."}, status=429)
    return _json(lambda: passkeys.begin_proof(request, verification.person_at(request)))


@require_POST
@never_cache
@csrf_protect
def passkey_finish(request: HttpRequest) -> HttpResponse:
    def act() -> dict[str, Any]:
        person = verification.person_at(request)
        passkey = passkeys.finish_proof(request, person, _body(request))
        if person is not None:
            lockout.forget(request, person)
            verification.note_proof(request, person, "passkey", passkey)
        elif may_enter(passkey.user):
            verification.sign_in(request, passkey.user, passkey)
        else:
            raise ValidationError("No page opens to you.")
        return {"next": _go_on(request)["Location"]}

    return _json(act)


def _json(act: Any) -> HttpResponse:
    """What it gives, or the reason why not, for the page to show."""
    try:
        return JsonResponse(act())
    except ValidationError as error:
        return JsonResponse({"error": " ".join(error.messages)}, status=422)


def _body(request: HttpRequest) -> Any:
    """Raises ValidationError."""
    try:
        value = json.loads(request.body)
    except (ValueError, RecursionError):
        raise ValidationError("This is not JSON.") from None
    if not isinstance(value, dict) or depth(value, _MAX_DEPTH) > _MAX_DEPTH:
        raise ValidationError("This is no answer of a browser.")
    return value


# --- leaving ----------------------------------------------------------------------------------------------


@require_POST
@for_person
def leave(request: HttpRequest, person: User) -> HttpResponse:
    """Signs out, also who is not verified."""
    request.user = person
    logout(request)
    return redirect("admin:login")


def urls() -> list[URLPattern]:
    return [
        path("second-factor/", second_factor, name="second_factor"),
        path("second-factor/set-up/", set_up, name="second_factor_set_up"),
        path("second-factor/codes/", recovery_codes, name="recovery_codes"),
        path("second-factor/leave/", leave, name="leave"),
        path("passkey/", passkey_begin, name="passkey_begin"),
        path("passkey/proof/", passkey_finish, name="passkey_finish"),
        path("passkey/new/", passkey_register_begin, name="passkey_register_begin"),
        path("passkey/new/answer/", passkey_register_finish, name="passkey_register_finish"),
    ]
