"""Stored identity: users, projects (the tenants), who belongs to them, and their API keys."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.core.validators import MaxValueValidator, RegexValidator
from django.db import models
from django.utils import timezone

from projects.permissions import Role
from projects.row_security import protect
from projects.scoping import TenantManager, TenantModel
from projects.signin.models import Invitation, RecoveryCode, Session, TotpDevice

__all__ = [
    "AdminToken", "ApiKey", "ConfigVersion", "Invitation", "Job", "Membership", "Passkey", "PayloadLevel", "Project",
    "RecoveryCode", "Session", "StoredAnswer", "TotpDevice", "User", "UserManager", "everything", "validate_slug",
]  # fmt: skip

SLUG = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
validate_slug = RegexValidator(rf"\A{SLUG}\Z", "Use lower-case letters, digits and inner hyphens, at most 63.")


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=(username or "").lower())

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractUser):
    """A person, named by e-mail address. `is_superuser` makes a platform operator."""

    username = None  # type: ignore[assignment]  # AbstractUser's field is removed in Django's documented way
    email = models.EmailField("e-mail address", unique=True)
    # The number of the project whose people alone say that this is who has the address: one of its owners made the
    # link by which the account got its password. Elsewhere nobody becomes a member by the address alone.
    opened_in = models.BigIntegerField(null=True, editable=False)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]  # narrower than AbstractUser's

    def __str__(self) -> str:
        return self.email


class PayloadLevel(models.TextChoices):
    """What the audit log keeps of what calls send and get."""

    METADATA = "metadata", "metadata: no payloads"
    REDACTED = "redacted", "redacted: without personal data and secrets"
    FULL = "full", "full: as they are"


class Project(models.Model):
    """The tenant. Its slug is in the MCP address of its servers."""

    slug = models.CharField(max_length=63, unique=True, validators=[validate_slug])
    name = models.CharField(max_length=200, blank=True)
    enabled = models.BooleanField(default=True, help_text="Off: every call of this project is refused.")
    payloads = models.CharField(
        max_length=8, choices=PayloadLevel.choices, default=PayloadLevel.METADATA,
        help_text="What the audit log keeps of calls: no payloads, payloads without personal data and secrets, or all.",
    )  # fmt: skip
    keep_months = models.PositiveSmallIntegerField(
        default=0, validators=[MaxValueValidator(1_200)],
        help_text="Whole months that the audit log is kept besides the current one; 0 is for ever.",
    )  # fmt: skip
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.slug


protect(Project._meta.db_table, "id")


class Membership(TenantModel):
    """A user's role in a project."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.MEMBER)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = TenantManager["Membership"]()

    class Meta:
        verbose_name = "member"
        ordering = ["project_id", "user_id"]
        constraints = [models.UniqueConstraint(fields=["project", "user"], name="one_membership_per_user")]

    def __str__(self) -> str:
        return f"{self.user} in {self.project} ({self.role})"


def everything() -> list[str]:
    return ["*"]


class ApiKey(TenantModel):
    """A user's key in a project: a visible id and the HMAC of a secret that is shown once."""

    class Surface(models.TextChoices):
        NATIVE = "native", "all tools of all servers"
        META = "meta", "a few tools that find and call the others"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    label = models.CharField(max_length=100)
    key_id = models.CharField(max_length=10, unique=True, editable=False)
    pepper_id = models.CharField(max_length=32, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    servers = models.JSONField(default=everything, help_text='Server slugs as globs, for example ["*"].')
    tools = models.JSONField(
        default=everything,
        help_text='Globs of "tool", "server/tool", "prompt:name" or "resource:uri"; ["*"] is everything.',
    )
    surface = models.CharField(
        max_length=6, choices=Surface.choices, default=Surface.NATIVE,
        help_text="What the address of all servers lists. It changes nothing of what the key may use.",
    )  # fmt: skip
    networks = models.JSONField(default=list, blank=True, help_text="Allowed CIDR networks; empty means any.")
    expires_at = models.DateTimeField(null=True, blank=True)
    disabled_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    uid = models.UUIDField(default=uuid.uuid4, editable=False, unique=True)

    objects = TenantManager["ApiKey"]()

    class Meta:
        ordering = ["project_id", "label", "id"]
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.label} (mgw_{self.key_id}…)"

    @staticmethod
    def live(now: datetime) -> models.Q:
        """Those that open something at that time."""
        return models.Q(revoked_at=None, disabled_at=None) & (models.Q(expires_at=None) | models.Q(expires_at__gt=now))


class AdminToken(models.Model):
    """A user's credential for REST, for one project; without a project an operator's, for the whole gateway.

    It never opens more than its user may do at that moment, and nothing of MCP.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    project = models.ForeignKey(Project, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    label = models.CharField(max_length=100)
    token_id = models.CharField(max_length=10, unique=True, editable=False)
    pepper_id = models.CharField(max_length=32, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    actions = models.JSONField(help_text="Actions of projects.permissions; it opens no other.")
    networks = models.JSONField(default=list, blank=True, help_text="Allowed CIDR networks; empty means any.")
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.label} (mga_{self.token_id}…)"


class StoredAnswer(models.Model):
    """What a POST with an idempotency key was answered, for who sends it again. The body is sealed."""

    token = models.ForeignKey(AdminToken, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=128)
    request_digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(default=0)
    sealed = models.TextField(blank=True)
    location = models.CharField(max_length=300, blank=True)
    etag = models.CharField(max_length=64, blank=True)
    # Of what was made with a secret that is shown once, and so is not in the body.
    shown_once = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["token", "key"], name="one_answer_per_idempotency_key")]

    def __str__(self) -> str:
        return f"{self.token_id}/{self.key}"


class Job(TenantModel):
    """Background work with a lease: whoever holds the lease may write its result (see projects.jobs)."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    kind = models.CharField(max_length=60)
    subject_ref = models.BigIntegerField(help_text="The id of what the work is about.")
    label = models.CharField(max_length=200)
    requested_by = models.CharField(max_length=254, blank=True)
    state = models.CharField(max_length=7, choices=State.choices, default=State.QUEUED)
    progress_done = models.PositiveIntegerField(default=0)
    progress_total = models.PositiveIntegerField(default=0)
    progress_text = models.CharField(max_length=100, blank=True)
    error = models.CharField(max_length=200, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    lease_owner = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    run_after = models.DateTimeField(default=timezone.now)
    # When it is to run once more, because it was asked for again while it ran.
    again_after = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = TenantManager["Job"]()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["state", "run_after"], name="job_due")]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "kind", "subject_ref"],
                condition=models.Q(state__in=["queued", "running"]),
                name="one_open_job",
            )
        ]

    def __str__(self) -> str:
        return self.label


class ConfigVersion(models.Model):
    """A counter that every change raises, so that workers see what to reload. `project_ref` 0 is the counter.

    No foreign key: the row must outlive its project for workers to learn of the deletion.
    """

    project_ref = models.BigIntegerField(unique=True)
    version = models.BigIntegerField(default=0, db_index=True)
    # The version of the last change that may have touched keys, or what a key depends on.
    keys_version = models.BigIntegerField(default=0)
    changed_at = models.DateTimeField(null=True)
    # What workers were last told to drop, with the version at which: {"tools": 7, "tools:12": 9}.
    cleared = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{self.project_ref}: {self.version}"


# Asks for the model of users as it is imported.
from projects.signin.passkey_model import Passkey  # noqa: E402  it needs the models above
