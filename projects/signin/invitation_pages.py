"""The pages of invitations: who was invited, the link that is shown once, and the page that it leads to."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters

from projects.access import Reach, may_enter
from projects.choosing import ProjectField, projects_within
from projects.dress import Dressed
from projects.models import Invitation, User
from projects.pages import reach_of
from projects.permissions import IN_WORDS, MEMBERS_WRITE, Role
from projects.scoping import unscoped
from projects.signin import invitations, verification
from projects.signin.again import ask_again
from projects.signin.opening import for_verified, show

_MOST_SHOWN = 200


class InvitationForm(Dressed, forms.Form):
    project = ProjectField()
    email = forms.EmailField(label="E-mail address", max_length=254)
    role = forms.ChoiceField(choices=Role.choices, initial=Role.MEMBER, help_text=IN_WORDS)

    def __init__(self, reach: Reach, data: object = None) -> None:
        super().__init__(data)
        choices = self.fields["project"]
        assert isinstance(choices, ProjectField)  # noqa: S101  declared above
        choices.offer(projects_within(reach))


def _rows(reach: Reach) -> list[Invitation]:
    with unscoped("those of the projects whose members the reader manages, and of no other"):
        rows = invitations.open_ones()
        return list((rows if reach.is_all else rows.filter(project_id__in=reach.projects))[:_MOST_SHOWN])


@for_verified
def invitations_page(request: HttpRequest, person: User) -> HttpResponse:
    """For operators, and for who manages members of a project, for that project."""
    reach = reach_of(request, MEMBERS_WRITE)
    if not reach:
        raise PermissionDenied
    if answer := ask_again(request):
        return answer
    if request.POST.get("act") == "withdraw":
        return _withdraw(request, reach)
    form = InvitationForm(reach, request.POST or None)
    link = ""
    if request.method == "POST" and form.is_valid():
        try:
            invited, token = invitations.invite(**form.cleaned_data)
            link = request.build_absolute_uri(invitations.path_of(token))
            form = InvitationForm(reach)
            messages.info(request, f"{invited.email} can join {invited.project} with the link below.")
        except ValidationError as error:
            form.add_error(None, " ".join(error.messages))
    context = {"form": form, "link": link, "invitations": _rows(reach), "days": invitations.LASTS.days}
    return show(request, "invitations.html", "Invitations", context, status=422 if form.errors else 200)


def _withdraw(request: HttpRequest, reach: Reach) -> HttpResponse:
    wanted = request.POST.get("invitation", "")
    for row in _rows(reach):
        if str(row.pk) == wanted:
            invitations.withdraw_invitation(invitation=row)
            messages.info(request, f"The link for {row.email} opens nothing any more.")
    return redirect("admin:invitations")


# --- the link ---------------------------------------------------------------------------------------------


class AccountForm(Dressed, forms.Form):
    password = forms.CharField(
        strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 8 characters.",
    )  # fmt: skip


@sensitive_post_parameters()
@never_cache
@csrf_protect
def accept(request: HttpRequest, token: str) -> HttpResponse:
    """404 for a wrong, used or expired link, the same as for any unknown page."""
    invitation = invitations.find(token)
    if invitation is None:
        raise Http404
    form, context = AccountForm(request.POST or None), {"invitation": invitation, "role": Role(invitation.role).label}
    account = invitations.account_for(invitation)
    if account is not None:
        return _accept_signed_in(request, invitation, context)
    if request.method == "POST" and form.is_valid():
        try:
            user = invitations.accept_as_new(invitation=invitation, password=form.cleaned_data["password"])
        except ValidationError as error:
            form.add_error("password", error.messages)
        else:
            verification.sign_in(request, user)
            return _welcome(request, user, context)
    return show(request, "accept.html", "You are invited", {**context, "form": form},
                status=422 if form.errors else 200)  # fmt: skip


def _accept_signed_in(request: HttpRequest, invitation: Invitation, context: dict[str, object]) -> HttpResponse:
    user = request.user
    is_theirs = isinstance(user, User) and user.email == invitation.email
    if is_theirs and request.method == "POST":
        try:
            invitations.accept(invitation=invitation, user=user)  # type: ignore[arg-type]  # looked at just above
        except ValidationError:
            raise Http404 from None
        return _welcome(request, user, context)  # type: ignore[arg-type]  # looked at just above
    sign_in = f"{reverse('admin:login')}?next={request.path}"
    return show(request, "accept.html", "You are invited", {**context, "is_theirs": is_theirs, "sign_in": sign_in})


def _welcome(request: HttpRequest, user: User, context: dict[str, object]) -> HttpResponse:
    if may_enter(user):
        return redirect("admin:index")
    return show(request, "accepted.html", "You are in", context)


def urls() -> list[URLPattern]:
    return [path("invitations/", invitations_page, name="invitations")]
