"""The pages of accounts, which are the operator's: who can sign in, and who operates the gateway."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm, AdminUserCreationForm, UserChangeForm
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html

from projects import people
from projects.dress import Dressed
from projects.models import Project, User
from projects.pages import OperatorOnlyAdmin
from projects.signals import acted
from projects.signin import factors, lockout, sessions
from projects.signin.again import AsksAgain, ask_again


def _announce_user(kind: str, user: User, **detail: Any) -> None:
    acted.send(sender=User, kind=kind, project=None, subject=user.email, detail=detail)


class _Said:
    """A mixin of forms about an account: what its switches do, in the words of this gateway."""

    fields: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        words = {
            "is_active": ("Can sign in", "Off: neither they nor any of their keys and tokens get in."),
            "is_superuser": ("Operator", "Administers all projects and the gateway itself."),
        }
        for name, (label, text) in words.items():
            if name in self.fields:
                self.fields[name].label, self.fields[name].help_text = label, text


class PersonAddForm(_Said, Dressed, AdminUserCreationForm):  # type: ignore[type-arg]  # not generic at run time
    class Meta:
        model = User
        fields = ("email", "is_superuser")

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()


class PersonChangeForm(_Said, Dressed, UserChangeForm):  # type: ignore[type-arg]  # not generic at run time
    """Of an account that a link of one project opened it says so: whoever had the link may know its password."""

    is_known = forms.BooleanField(required=False, label="I know who has this account")

    class Meta:
        model = User
        fields = ("email", "password", "first_name", "last_name", "is_active", "is_superuser")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None:
            return
        another = reverse("admin:auth_user_password_change", args=[self.instance.pk])
        self.fields["password"].help_text = format_html(
            'Stored as a digest, so that nobody can read it. <a href="{}">Set another password</a>', another
        )
        if is_opened_by_link(self.instance):
            self.fields["is_superuser"].help_text = self.fields["is_known"].help_text = opened_by_link(self.instance)
        else:
            del self.fields["is_known"]

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        was_operator = User.objects.filter(pk=self.instance.pk, is_superuser=True, is_active=True).exists()
        stays = self.cleaned_data.get("is_superuser") and self.cleaned_data.get("is_active")
        if was_operator and not stays:
            people.keep_an_operator(self.instance)
        if stays and not was_operator and "is_known" in self.fields and not self.cleaned_data.get("is_known"):
            self.add_error("is_known", "Say so, or set a password that only this person gets.")
        return cleaned


def is_opened_by_link(user: User) -> bool:
    """Whether whoever had a project's link chose the password, and the account is no operator's yet."""
    return user.opened_in is not None and not User.objects.filter(pk=user.pk, is_superuser=True).exists()


def opened_by_link(user: User) -> str:
    project = Project.objects.filter(pk=user.opened_in or 0).first()
    where = f"the project {project.slug}" if project else "a project that is gone"
    return (f"A link of {where} opened this account: whoever had the link chose its password and second factors."
            " To set another password takes these away.")  # fmt: skip


class PersonPasswordForm(Dressed, AdminPasswordChangeForm):  # type: ignore[type-arg]  # not generic at run time
    @transaction.atomic
    def save(self, commit: bool = True) -> User:
        user: User = super().save(commit)
        # The operator says whose account it is; nobody keeps a factor that came with the link.
        if user.opened_in is not None:
            factors.reset_factors(user=user)
            user.opened_in = None
            user.save(update_fields=["opened_in"])
        _announce_user("user.password_set", user)
        sessions.end_sessions(user=user)
        return user


@admin.register(User)
class PersonAdmin(AsksAgain[User], OperatorOnlyAdmin[User], UserAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Everyone who can sign in. Who may do what in a project is said by its members."""

    form = PersonChangeForm
    add_form = PersonAddForm
    change_password_form = PersonPasswordForm
    fieldsets = (
        (None, {"fields": ("email", "password", "first_name", "last_name")}),
        ("Access", {"fields": ("is_active", "is_superuser")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("email", "usable_password", "password1", "password2")}),
        ("Access", {"fields": ("is_superuser",)}),
    )
    readonly_fields = ("last_login", "date_joined")
    list_display = ("email", "can_sign_in", "is_operator", "last_login")
    list_filter = ("is_active", "is_superuser")
    search_fields = ("email", "first_name", "last_name")
    ordering = ("email",)
    filter_horizontal = ()
    actions = ("end_sessions", "unlock", "reset_factors")
    asks_again = frozenset({"add", "change", "delete", "reset_factors"})

    @admin.display(description="can sign in", boolean=True, ordering="is_active")
    def can_sign_in(self, user: User) -> bool:
        return user.is_active

    @admin.display(description="operator", boolean=True, ordering="is_superuser")
    def is_operator(self, user: User) -> bool:
        return user.is_superuser

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Asks about the link where it matters."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or not is_opened_by_link(obj):
            return fieldsets
        asked = ("Access", {"fields": ("is_active", "is_superuser", "is_known")})
        return tuple(asked if title == "Access" else (title, said) for title, said in fieldsets)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        return ask_again(request) or super().user_change_password(request, id, form_url)

    @admin.action(description="Sign the selected people out everywhere")
    def end_sessions(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset:
            sessions.end_sessions(user=user)

    @admin.action(description="Unlock the sign-in of the selected people")
    def unlock(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset:
            lockout.unlock(user=user)

    @admin.action(description="Take away the second factors of the selected people")
    def reset_factors(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        question = "Take away their passkeys, apps and recovery codes? With the password alone they set up new ones."
        asked = self.ask_first(request, queryset, "reset_factors", question)
        if asked is None:
            for user in queryset:
                factors.reset_factors(user=user)
        return asked

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        # Only operators have business in these pages, and each operator has.
        obj.is_staff = obj.is_superuser
        obj.save()
        _announce_user(
            "user.changed" if change else "user.created",
            obj,
            active=obj.is_active,
            operator=obj.is_superuser,
            fields=[name for name in form.changed_data if "password" not in name],
        )

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        people.delete_person(user=obj)


# Rights come from memberships; a group would be a second, silent table of them.
admin.site.unregister(Group)
