"""What may be asked of a list by its address: what its filters ask, and nothing else of a column."""

from __future__ import annotations

import pytest
from django.test import Client

from projects.models import User
from tests.cast import Cast
from tests.signing_in import signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.claim("scope.lists")]


def browser(user: User) -> Client:
    client = Client()
    signed_in(client, user)
    return client


@pytest.mark.parametrize(
    "asked",
    ["projects/apikey/?digest__startswith=0", "projects/apikey/?label__regex=(a%2B)%2B%24",
     "projects/apikey/?pk__gt=0", "projects/apikey/?project__id__regex=.", "servers/server/?sealed__startswith=a",
     "servers/server/?enabled__regex=.", "projects/membership/?user__password__startswith=p",
     "projects/job/?error__iregex=."],
)  # fmt: skip
def test_a_question_that_no_filter_asks_is_not_put_to_the_database(cast: Cast, asked: str) -> None:
    """Else a column that no page shows could be spelt out, and a pattern could keep the process for hours."""
    for person in (cast.ada, cast.bob):
        assert browser(person).get(f"/admin/{asked}").status_code == 400


def test_what_filters_ask_is_answered(cast: Cast) -> None:
    client = browser(cast.ada)
    for asked in ("projects/apikey/?state=live", f"projects/apikey/?project__id__exact={cast.acme.pk}",
                  "servers/server/?enabled__exact=1", "projects/membership/?role__exact=owner",
                  "servers/tool/?state__exact=waiting"):  # fmt: skip
        assert client.get(f"/admin/{asked}").status_code == 200, asked
