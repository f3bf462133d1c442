"""The pages of everyone who can sign in, which are the operator's."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm, AdminUserCreationForm, UserChangeForm
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from projects import people
from projects.dress import Dressed
from projects.models import User
from projects.pages import OperatorOnlyAdmin
from projects.signals import acted
from projects.signin import factors, lockout, sessions
from projects.signin.again import AsksAgain, ask_again


def _announce_user(kind: str, user: User, **detail: Any) -> None:
    acted.send(sender=User, kind=kind, project=None, subject=user.email, detail=detail)


class PersonAddForm(Dressed, AdminUserCreationForm):  # type: ignore[type-arg]  # not generic at run time
    class Meta:
        model = User
        fields = ("email", "is_superuser")

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()


class PersonChangeForm(Dressed, UserChangeForm):  # type: ignore[type-arg]  # not generic at run time
    class Meta:
        model = User
        fields = ("email", "password", "first_name", "last_name", "is_active", "is_superuser")

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        was_operator = User.objects.filter(pk=self.instance.pk, is_superuser=True, is_active=True).exists()
        stays = self.cleaned_data.get("is_superuser") and self.cleaned_data.get("is_active")
        if was_operator and not stays:
            people.keep_an_operator(self.instance)
        return cleaned


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


_OPERATES = "A superuser operates this gateway."


@admin.register(User)
class PersonAdmin(AsksAgain[User], OperatorOnlyAdmin[User], UserAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Everyone who can sign in. Who may do what in a project is said by its members."""

    form = PersonChangeForm
    add_form = PersonAddForm
    change_password_form = PersonPasswordForm
    fieldsets = (
        (None, {"fields": ("email", "password", "first_name", "last_name")}),
        ("Access", {"fields": ("is_active", "is_superuser"), "description": _OPERATES}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("email", "usable_password", "password1", "password2")}),
        ("Access", {"fields": ("is_superuser",), "description": _OPERATES}),
    )
    readonly_fields = ("last_login", "date_joined")
    list_display = ("email", "is_active", "is_superuser", "last_login")
    list_filter = ("is_active", "is_superuser")
    search_fields = ("email", "first_name", "last_name")
    ordering = ("email",)
    filter_horizontal = ()
    actions = ("end_sessions", "unlock", "reset_factors")
    asks_again = frozenset({"add", "change", "delete", "reset_factors"})

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
