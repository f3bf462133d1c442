"""What REST takes and shows of projects, people, members, keys, tokens and jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from projects.models import AdminToken, ApiKey, Job, Membership, Project, User
from projects.rest.references import reference
from projects.rest.schemas import WHOLE, Email, Given, Globs, Label, Moment, Networks, Shown, Slug

RoleName = Literal["owner", "admin", "member", "auditor"]
Surface = Literal["native", "meta"]
Payloads = Literal["metadata", "redacted", "full"]
JobState = Literal["queued", "running", "done", "failed"]
Name = Annotated[str, Field(max_length=200)]


class TokenOut(Shown):
    """The token that asks. `project` is null for an operator's."""

    token_id: str
    label: str
    user: str
    project: str | None
    actions: list[str]
    expires_at: datetime

    @classmethod
    def of(cls, token: AdminToken, actions: frozenset[str]) -> TokenOut:
        project = token.project.slug if token.project else None
        return cls.read(token, user=token.user.email, project=project, actions=sorted(actions))


class ProjectIn(Given):
    slug: Slug
    name: Name = ""


class ProjectChanges(Given):
    """All but the name is for operators: whether it may call, and what its log keeps and for how long."""

    name: Name = ""
    enabled: bool = True
    payloads: Payloads = "metadata"
    keep_months: Annotated[int, Field(ge=0, le=1_200), WHOLE] = Field(default=0, description="0 is for ever.")


class ProjectOut(Shown):
    slug: str
    name: str
    enabled: bool
    payloads: Payloads
    keep_months: int
    created_at: datetime

    @classmethod
    def of(cls, row: Project) -> ProjectOut:
        return cls.read(row)


class PersonIn(Given):
    email: Email
    is_operator: bool = False


class PersonChanges(Given):
    email: Email | None = None
    first_name: Annotated[str, Field(max_length=150)] = ""
    last_name: Annotated[str, Field(max_length=150)] = ""
    is_active: bool = True
    is_operator: bool = False


class PersonOut(Shown):
    id: str
    email: str
    first_name: str
    last_name: str
    is_active: bool
    is_operator: bool
    last_login: datetime | None

    @classmethod
    def of(cls, row: User) -> PersonOut:
        return cls.read(row, id=reference("user", row.pk), is_operator=row.is_superuser)


class MemberIn(Given):
    email: Email
    role: RoleName


class MemberChanges(Given):
    role: RoleName


class MemberOut(Shown):
    id: str
    project: str
    email: str
    role: RoleName
    created_at: datetime

    @classmethod
    def of(cls, row: Membership) -> MemberOut:
        name = reference("member", row.pk, row.project_id)
        return cls.read(row, id=name, project=row.project.slug, email=row.user.email)


class KeyChanges(Given):
    label: Label = "key"
    servers: Globs = Field(default=["*"], description="Globs of server slugs.")
    tools: Globs = Field(default=["*"], description='Globs of "tool", "server/tool", "prompt:name", "resource:uri".')
    surface: Surface = "native"
    networks: Networks = []
    expires_at: Moment | None = None


class KeyIn(KeyChanges):
    label: Label
    user: Email | None = Field(default=None, description="A member; without it, who asks.")


class KeyRotation(Given):
    overlap_hours: Annotated[int, Field(ge=0, le=24 * 30), WHOLE] = Field(
        default=24, description="How long the old key goes on at most."
    )


class KeyOut(Shown):
    """Never the secret."""

    key_id: str
    label: str
    user: str
    servers: list[str]
    tools: list[str]
    surface: Surface
    networks: list[str]
    expires_at: datetime | None
    disabled_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, row: ApiKey) -> KeyOut:
        return cls.read(row, user=row.user.email)


class IssuedKey(KeyOut):
    """`key` is the secret, shown here and never again."""

    key: str = Field(repr=False)

    @property
    def shown_once(self) -> str:
        return self.key_id

    @classmethod
    def with_text(cls, row: ApiKey, text: str) -> IssuedKey:
        return cls.read(row, user=row.user.email, key=text)


class Progress(Shown):
    done: int
    total: int
    text: str


class JobOut(Shown):
    """`error` says why the last try failed; a job that waits with one is tried again at `run_after`."""

    id: str
    kind: str
    label: str
    state: JobState
    progress: Progress
    error: str
    attempts: int
    requested_by: str
    run_after: datetime
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, row: Job) -> JobOut:
        progress = Progress(done=row.progress_done, total=row.progress_total, text=row.progress_text)
        return cls.read(row, id=reference("job", row.pk, row.project_id), progress=progress)
