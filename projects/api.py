"""REST: the token itself, projects, people, members, keys and jobs."""

from __future__ import annotations

from datetime import timedelta

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from ninja import Query

from projects import jobs, people, services
from projects.models import ApiKey, Invitation, Job, Membership, Project, User
from projects.permissions import (
    CONFIG_READ,
    CONFIG_WRITE,
    GATEWAY_READ,
    GATEWAY_WRITE,
    KEYS_ALL,
    KEYS_OWN,
    MEMBERS_WRITE,
)
from projects.rest.paging import Page, Paging, Search, page
from projects.rest.problems import Problem
from projects.rest.requests import RestRequest, made_at
from projects.rest.routes import Routes
from projects.rest.rows import by_reference, locked, narrowed, one
from projects.schemas import (
    InvitationOut,
    IssuedInvitation,
    IssuedKey,
    JobOut,
    JobState,
    KeyChanges,
    KeyIn,
    KeyOut,
    KeyRotation,
    MemberChanges,
    MemberIn,
    MemberOut,
    PersonChanges,
    PersonIn,
    PersonOut,
    ProjectChanges,
    ProjectIn,
    ProjectOut,
    TokenOut,
)
from projects.scoping import unscoped
from projects.signin import invitations

token_routes = Routes("token")
project_routes = Routes("projects")
person_routes = Routes("users")
member_routes = Routes("members")
key_routes = Routes("keys")
job_routes = Routes("jobs")

# --- the token --------------------------------------------------------------------------------------------


@token_routes.get("/token", None, TokenOut)
def read_token(request: RestRequest) -> TokenOut:
    """The admin token that asks, and what it may do by now."""
    return TokenOut.of(request.auth.token, request.auth.actions)


# --- projects ---------------------------------------------------------------------------------------------


@project_routes.get("/projects", None, Page[ProjectOut])
def list_projects(request: RestRequest, filters: Query[Search]) -> Page[ProjectOut]:
    """Those that the token can see: all, or its own. `search` is in slug or name."""
    rows = Project.objects.all()
    own = request.auth.token.project_id
    if own is not None:
        rows = rows.filter(pk=own)
    if filters.search:
        rows = rows.filter(Q(slug__icontains=filters.search) | Q(name__icontains=filters.search))
    return page(request, filters, rows, ProjectOut.of, ("slug",), ProjectOut.columns(Project))


@project_routes.post("/projects", GATEWAY_WRITE, ProjectOut)
def create_project(request: RestRequest, body: ProjectIn) -> ProjectOut:
    project = services.create_project(slug=body.slug, name=body.name)
    made_at(request, "projects", project.slug)
    return ProjectOut.of(project)


@project_routes.get("/projects/{project}", CONFIG_READ, ProjectOut)
def read_project(request: RestRequest, project: str) -> ProjectOut:
    return ProjectOut.of(request.project)


@project_routes.patch("/projects/{project}", CONFIG_WRITE, ProjectOut)
def update_project(request: RestRequest, project: str, body: ProjectChanges) -> ProjectOut:
    """Its name. For operators: whether its calls are refused, and what its log keeps, for how long."""
    changes = body.given()
    if changes.keys() - {"name"} and not request.auth.may_outside(GATEWAY_WRITE):
        raise Problem("forbidden", action=GATEWAY_WRITE)
    return ProjectOut.of(services.update_project(project=request.project, **changes) if changes else request.project)


@project_routes.delete("/projects/{project}", GATEWAY_WRITE)
def delete_project(request: RestRequest, project: str) -> None:
    """With everything in it. Its log stays."""
    services.delete_project(project=request.project)


# --- people -----------------------------------------------------------------------------------------------


@person_routes.get("/users", GATEWAY_READ, Page[PersonOut])
def list_users(request: RestRequest, filters: Query[Search]) -> Page[PersonOut]:
    """`search` is in the e-mail address."""
    rows = narrowed(User.objects.all(), email__icontains=filters.search)
    return page(request, filters, rows, PersonOut.of, columns=PersonOut.columns(User, "pk", "is_superuser"))


@person_routes.post("/users", GATEWAY_WRITE, PersonOut)
def create_user(request: RestRequest, body: PersonIn) -> PersonOut:
    """Without a password: an operator sets one in the browser."""
    person = PersonOut.of(people.create_person(email=body.email, is_superuser=body.is_operator))
    made_at(request, "users", person.id)
    return person


@person_routes.get("/users/{user}", GATEWAY_READ, PersonOut)
def read_user(request: RestRequest, user: str) -> PersonOut:
    return PersonOut.of(by_reference(User.objects.all(), "user", user))


@person_routes.patch("/users/{user}", GATEWAY_WRITE, PersonOut)
def update_user(request: RestRequest, user: str, body: PersonChanges) -> PersonOut:
    """Who is switched off loses keys, tokens and sessions within a second."""
    changes = body.given()
    if "is_operator" in changes:
        changes["is_superuser"] = changes.pop("is_operator")
    if changes.get("email", "") is None:
        del changes["email"]
    with transaction.atomic():
        row = by_reference(locked(User.objects.all()), "user", user)
        return PersonOut.of(people.update_person(user=row, **changes) if changes else row)


@person_routes.delete("/users/{user}", GATEWAY_WRITE)
def delete_user(request: RestRequest, user: str) -> None:
    people.delete_person(user=by_reference(User.objects.all(), "user", user))


@person_routes.get("/users/{user}/memberships", GATEWAY_READ, Page[MemberOut])
def list_memberships(request: RestRequest, user: str, filters: Query[Paging]) -> Page[MemberOut]:
    """In which projects the person is."""
    person = by_reference(User.objects.all(), "user", user)
    with unscoped("an operator asks for all of a person's projects"):
        rows = Membership.objects.filter(user=person).select_related("user", "project")
        return page(request, filters, rows, MemberOut.of, columns=_MEMBER_COLUMNS)


# --- members ----------------------------------------------------------------------------------------------


class MemberFilters(Paging):
    email: str | None = None
    search: str | None = None


_MEMBER_COLUMNS = MemberOut.columns(Membership, "pk", "project_id", "project__slug", "user__email")


def _members() -> QuerySet[Membership]:
    return Membership.objects.select_related("user", "project")


@member_routes.get("/projects/{project}/members", CONFIG_READ, Page[MemberOut])
def list_members(request: RestRequest, project: str, filters: Query[MemberFilters]) -> Page[MemberOut]:
    email = filters.email.lower() if filters.email else None
    rows = narrowed(_members(), user__email=email, user__email__icontains=filters.search)
    return page(request, filters, rows, MemberOut.of, columns=_MEMBER_COLUMNS)


@member_routes.post("/projects/{project}/members", MEMBERS_WRITE, MemberOut)
def add_member(request: RestRequest, project: str, body: MemberIn) -> MemberOut:
    """Who has no account gets one without a password. Of a member, the role is set."""
    with transaction.atomic():
        row = services.set_member(project=request.project, user=people.person_of(body.email), role=body.role)
    member = MemberOut.of(row)
    made_at(request, "projects", project, "members", member.id)
    return member


@member_routes.get("/projects/{project}/members/{member}", CONFIG_READ, MemberOut)
def read_member(request: RestRequest, project: str, member: str) -> MemberOut:
    return MemberOut.of(_member(request, member))


@member_routes.patch("/projects/{project}/members/{member}", MEMBERS_WRITE, MemberOut)
def update_member(request: RestRequest, project: str, member: str, body: MemberChanges) -> MemberOut:
    row = _member(request, member)
    return MemberOut.of(services.set_member(project=request.project, user=row.user, role=body.role))


@member_routes.delete("/projects/{project}/members/{member}", MEMBERS_WRITE)
def remove_member(request: RestRequest, project: str, member: str) -> None:
    """The member's keys and tokens of the project are revoked for good."""
    services.remove_member(membership=_member(request, member))


def _member(request: RestRequest, name: str) -> Membership:
    return by_reference(_members(), "member", name, request.project.pk)


# --- invitations ------------------------------------------------------------------------------------------


@member_routes.get("/projects/{project}/invitations", MEMBERS_WRITE, Page[InvitationOut])
def list_invitations(request: RestRequest, project: str, filters: Query[Paging]) -> Page[InvitationOut]:
    """Those that are open."""
    return page(request, filters, invitations.open_ones(), InvitationOut.of)


@member_routes.post("/projects/{project}/invitations", MEMBERS_WRITE, IssuedInvitation)
def invite_member(request: RestRequest, project: str, body: MemberIn) -> IssuedInvitation:
    """The link is in this answer and nowhere else. It works once, for a week."""
    row, token = invitations.invite(project=request.project, email=body.email, role=body.role)
    link = request.build_absolute_uri(invitations.path_of(token))
    invitation = IssuedInvitation.with_link(row, link)
    request.answer_headers["Location"] = f"/api/v1/projects/{project}/invitations/{invitation.id}"
    return invitation


@member_routes.get("/projects/{project}/invitations/{invitation}", MEMBERS_WRITE, InvitationOut)
def read_invitation(request: RestRequest, project: str, invitation: str) -> InvitationOut:
    return InvitationOut.of(_invitation(request, invitation))


@member_routes.delete("/projects/{project}/invitations/{invitation}", MEMBERS_WRITE)
def withdraw_invitation(request: RestRequest, project: str, invitation: str) -> None:
    """Its link opens nothing any more."""
    invitations.withdraw_invitation(invitation=_invitation(request, invitation))


def _invitation(request: RestRequest, name: str) -> Invitation:
    return by_reference(invitations.open_ones(), "invitation", name, request.project.pk)


# --- keys -------------------------------------------------------------------------------------------------


class KeyFilters(Paging):
    user: str | None = None
    label: str | None = None
    live: bool | None = None


def _keys(request: RestRequest) -> QuerySet[ApiKey]:
    """A member sees none but their own."""
    rows = ApiKey.objects.select_related("user", "project")
    return rows if request.auth.may(KEYS_ALL, request.project) else rows.filter(user=request.auth.user)


@key_routes.get("/projects/{project}/keys", KEYS_OWN, Page[KeyOut])
def list_keys(request: RestRequest, project: str, filters: Query[KeyFilters]) -> Page[KeyOut]:
    """One's own, or all for who may see them. `live` are neither disabled nor revoked nor expired."""
    user = filters.user.lower() if filters.user else None
    rows = narrowed(_keys(request), user__email=user, label=filters.label)
    if filters.live is not None:
        is_live = ApiKey.live(timezone.now())
        rows = rows.filter(is_live) if filters.live else rows.exclude(is_live)
    return page(request, filters, rows, KeyOut.of, columns=KeyOut.columns(ApiKey, "user__email"))


@key_routes.post("/projects/{project}/keys", KEYS_OWN, IssuedKey)
def issue_key(request: RestRequest, project: str, body: KeyIn) -> IssuedKey:
    """The key is in this answer and nowhere else."""
    fields = body.model_dump(exclude={"user"})
    key, text = services.issue_key(project=request.project, user=_holder(request, body.user), **fields)
    made_at(request, "projects", project, "keys", key.key_id)
    return IssuedKey.with_text(key, text)


def _holder(request: RestRequest, email: str | None) -> User:
    if email is None or email.lower() == request.auth.user.email:
        return request.auth.user
    if not request.auth.may(KEYS_ALL, request.project):
        raise Problem("forbidden", action=KEYS_ALL)
    membership = _members().filter(user__email=email.lower()).first()
    if membership is None:
        raise ValidationError({"user": "The project has no such member."})
    return membership.user


@key_routes.get("/projects/{project}/keys/{key_id}", KEYS_OWN, KeyOut)
def read_key(request: RestRequest, project: str, key_id: str) -> KeyOut:
    return KeyOut.of(one(_keys(request), key_id=key_id))


@key_routes.patch("/projects/{project}/keys/{key_id}", KEYS_OWN, KeyOut)
def update_key(request: RestRequest, project: str, key_id: str, body: KeyChanges) -> KeyOut:
    key, changes = one(_keys(request), key_id=key_id), body.given()
    return KeyOut.of(services.update_key(key=key, **changes) if changes else key)


@key_routes.post("/projects/{project}/keys/{key_id}/rotate", KEYS_OWN, IssuedKey)
def rotate_key(request: RestRequest, project: str, key_id: str, body: KeyRotation) -> IssuedKey:
    """A successor with the same rights; the old key goes on for the overlap."""
    overlap = timedelta(hours=body.overlap_hours)
    key, text = services.rotate_key(key=one(_keys(request), key_id=key_id), overlap=overlap)
    made_at(request, "projects", project, "keys", key.key_id)
    return IssuedKey.with_text(key, text)


@key_routes.post("/projects/{project}/keys/{key_id}/disable", KEYS_OWN, KeyOut, 200)
def disable_key(request: RestRequest, project: str, key_id: str) -> KeyOut:
    return _switch(request, key_id, enabled=False)


@key_routes.post("/projects/{project}/keys/{key_id}/enable", KEYS_OWN, KeyOut, 200)
def enable_key(request: RestRequest, project: str, key_id: str) -> KeyOut:
    return _switch(request, key_id, enabled=True)


def _switch(request: RestRequest, key_id: str, *, enabled: bool) -> KeyOut:
    key = one(_keys(request), key_id=key_id)
    services.set_key_enabled(key=key, enabled=enabled)
    return KeyOut.of(key)


@key_routes.post("/projects/{project}/keys/{key_id}/revoke", KEYS_OWN, KeyOut, 200)
def revoke_key(request: RestRequest, project: str, key_id: str) -> KeyOut:
    """For good."""
    key = one(_keys(request), key_id=key_id)
    if key.revoked_at is None:
        services.revoke_key(key=key)
    return KeyOut.of(key)


# --- jobs -------------------------------------------------------------------------------------------------


_JOB_COLUMNS = JobOut.columns(Job, "pk", "project_id", "progress_done", "progress_total", "progress_text")


class JobFilters(Paging):
    kind: str | None = None
    state: JobState | None = None


@job_routes.get("/projects/{project}/jobs", CONFIG_READ, Page[JobOut])
def list_jobs(request: RestRequest, project: str, filters: Query[JobFilters]) -> Page[JobOut]:
    """Background work, the newest first."""
    rows = narrowed(Job.objects.all(), kind=filters.kind, state=filters.state)
    return page(request, filters, rows, JobOut.of, ("-pk",), _JOB_COLUMNS)


@job_routes.get("/projects/{project}/jobs/{job}", CONFIG_READ, JobOut)
def read_job(request: RestRequest, project: str, job: str) -> JobOut:
    """How far it is."""
    return JobOut.of(_job(request, job))


@job_routes.post("/projects/{project}/jobs/{job}/retry", CONFIG_WRITE, JobOut, 202)
def retry_job(request: RestRequest, project: str, job: str) -> JobOut:
    """The work of a failed job again, as a new job."""
    row = _job(request, job)
    if row.state != Job.State.FAILED:
        raise Problem("conflict")
    return JobOut.of(jobs.retry(job=row))


def _job(request: RestRequest, name: str) -> Job:
    return by_reference(Job.objects.select_related("project"), "job", name, request.project.pk)


ROUTES = (token_routes, project_routes, person_routes, member_routes, key_routes, job_routes)
