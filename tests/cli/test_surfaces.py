"""Whatever can be done is done by at least two of admin, commands and REST, or there is a reason."""

from __future__ import annotations

import pytest

from tests.cli.surfaces import acts, reached

SURFACES = ("admin", "commands", "REST")
# Acts that fewer than two surfaces have, and why.
REASONS = {
    "audit.forwarders.resend_of_setting": "receivers that the settings name have no page and no row: `audit forward`",
    "audit.retention.retain": "what is due goes by itself; at once only by the operator's command",
    "audit.saved_filters.delete_filter": "a person's own, for the list in the browser, of whose address they are",
    "audit.saved_filters.save_filter": "a person's own, for the list in the browser, of whose address they are",
    "audit.saved_filters.share_filter": "a person's own, for the list in the browser, of whose address they are",
    "audit.sealer.change_key": "the keys are in files of every node, and the operator is at one of them",
    "audit.verification.request_verification": "the command verifies at once, without a job",
    "projects.people.change_password": "one's own, with the old one; operators set others' in the pages",
    "projects.signin.factors.begin_totp": "one's own second factor, which the browser's page shows",
    "projects.signin.factors.check_code": "one's own second factor, given where one signs in",
    "projects.signin.factors.confirm_totp": "one's own second factor, given where one signs in",
    "projects.signin.factors.keep_codes": "one's own recovery codes, which are shown to their person only",
    "projects.signin.factors.make_codes": "one's own recovery codes, which are shown to their person only",
    "projects.signin.factors.remove_factor": "one's own; operators take away all of a person's",
    "projects.signin.invitations.accept": "by the person who was invited, with the link",
    "projects.signin.invitations.accept_as_new": "by the person who was invited, with the link",
    "projects.signin.sessions.end_session": "one of one's own; operators end all of a person's",
    "guardrails.check_guardrail": "looks whether a form could be stored; stores nothing",
    "guardrails.set_guardrails": "update_policy under another name; pages change a policy and its guardrails at once",
    "guardrails.set_floor": "all of the floor at once, as files have it; pages save its checks one by one",
    "projects.jobs.enqueue": "how other acts ask for work; nobody has work of a kind of their own",
    "projects.tokens.issue_token": "a token for REST is not issued over REST, and has no page yet",
    "projects.tokens.revoke_token": "a token for REST has no page yet",
    "servers.note_list_changed": "servers say it, and nobody else",
    "servers.review.approve_ahead": "what a file says of definitions by their digests; people decide on what they see",
    "servers.observing.observe": "what a reading saw; people decide on it, and cannot make it up",
    "servers.set_overlays": "all overlays of a server at once, as files have them; pages save them one by one",
    "servers.set_project_grants": "all rules of a project at once, as files have them; pages save them one by one",
    "servers.warm": "after a deploy or a flush, which have no page",
}


def too_few() -> set[str]:
    by_surface = {surface: reached(surface) for surface in SURFACES}
    return {name for name, place in acts().items()
            if sum(place in places for places in by_surface.values()) < 2}  # fmt: skip


@pytest.mark.claim("surfaces.two")
def test_every_act_has_two_ways_or_a_reason() -> None:
    assert too_few() - REASONS.keys() == set()


@pytest.mark.claim("surfaces.two")
def test_no_reason_is_for_what_there_is_not() -> None:
    assert REASONS.keys() - acts().keys() == set()


@pytest.mark.claim("surfaces.two")
@pytest.mark.parametrize("surface", ["admin", "commands"])
def test_what_is_found_is_what_is_there(surface: str) -> None:
    """The search itself: it finds acts behind other functions, and not those behind other acts."""
    places = reached(surface)
    assert ("projects.services", "revoke_key") in places
    assert ("servers.services", "save_server") in places
    assert ("audit.forwarders", "test_forwarder") in places
    assert ("servers.observing", "observe") not in places
    assert len(acts()) > 60
