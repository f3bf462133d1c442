"""Names and URIs at the address of all servers lead to one thing only, whatever servers call their own."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projects.models import SLUG
from proxy.aggregate.names import MAX_LENGTH, by_shown_name, shown_name
from proxy.aggregate.uris import real_uri, shown_uri
from servers.templates import Templates

SLUGS = st.from_regex(SLUG, fullmatch=True)
# Names that a hostile server would choose: such as look like another's, are too long, or are odd.
NAMES = st.one_of(
    st.text(max_size=80),
    st.text(st.sampled_from("ab_-.0"), max_size=90),
    st.builds(lambda slug, rest: f"{slug}__{rest}", SLUGS, st.text(st.sampled_from("ab_"), max_size=5)),
    st.builds(lambda slug, name: shown_name(slug, name), SLUGS, st.text(max_size=80)),
)
URIS = st.one_of(st.text(max_size=60), st.builds(shown_uri, SLUGS, st.text(max_size=20)), st.just("file:///a"))


@pytest.mark.claim("aggregate.names")
@given(SLUGS, NAMES)
def test_a_name_is_one_that_every_client_takes(slug: str, name: str) -> None:
    shown = shown_name(slug, name)
    assert re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", shown)
    assert shown == shown_name(slug, name)


@pytest.mark.claim("aggregate.names")
@given(SLUGS, st.text(st.sampled_from("abcXYZ019_.-"), min_size=1, max_size=40))
def test_a_name_that_fits_is_the_servers_and_its_own(slug: str, name: str) -> None:
    if len(slug) + 2 + len(name) <= MAX_LENGTH:
        assert shown_name(slug, name) == f"{slug}__{name}"


@pytest.mark.claim("aggregate.names")
@given(st.lists(st.tuples(SLUGS, NAMES), max_size=30, unique=True))
def test_no_two_things_have_one_name(places: list[tuple[str, str]]) -> None:
    found = by_shown_name(places)
    assert set(found.values()) == set(places)
    assert all(shown_name(*place) == shown for shown, place in found.items())


@pytest.mark.claim("aggregate.names")
def test_what_is_called_the_same_is_left_out_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.aggregate.names.shown_name", lambda slug, name: name[:1])
    assert by_shown_name([("a", "xy"), ("b", "xz"), ("a", "q"), ("a", "q")]) == {"q": ("a", "q")}


@pytest.mark.claim("aggregate.uris")
@given(SLUGS, URIS)
def test_a_uri_leads_back_to_its_server(slug: str, uri: str) -> None:
    assert real_uri(shown_uri(slug, uri)) == (slug, uri)


@pytest.mark.claim("aggregate.uris")
@given(URIS)
def test_only_a_uri_of_all_servers_names_a_server(uri: str) -> None:
    found = real_uri(uri)
    assert found is None or shown_uri(*found) == uri


TEMPLATES = {
    ("test://template/{id}/data", "test://template/5/data"): True,
    ("test://template/{id}/data", "test://template/5/other"): False,
    ("file:///{+path}", "file:///a/b/c"): True,
    ("file:///{+path}", "http://a"): False,
    ("a:{x}b{y}b", "a:bb"): True,
    ("a:{x}b{y}b", "a:b"): False,
    ("a:{x}-{y}", "a:"): False,
    ("plain:uri", "plain:uri"): True,
    ("plain:uri", "plain:uri2"): False,
    ("{x}", "anything at all"): True,
    ("ab{x}ba", "aba"): False,
}


@pytest.mark.claim("aggregate.uris")
@pytest.mark.parametrize(("template", "uri"), TEMPLATES)
def test_a_template_matches_what_it_may_expand_to(template: str, uri: str) -> None:
    assert Templates([template]).may_match(uri) is TEMPLATES[template, uri]


@pytest.mark.claim("aggregate.uris")
@given(
    st.lists(st.text(st.sampled_from("ab/:"), max_size=4), min_size=1, max_size=4),
    st.lists(st.text(st.sampled_from("ab/:"), max_size=4), min_size=3, max_size=3),
)
def test_every_expansion_of_a_template_matches_it(parts: list[str], values: list[str]) -> None:
    template, uri = parts[0], parts[0]
    for part, value in zip(parts[1:], values, strict=False):
        template, uri = f"{template}{{x}}{part}", f"{uri}{value}{part}"
    assert Templates([template]).may_match(uri)


@pytest.mark.claim("aggregate.uris")
@given(
    st.lists(st.sampled_from([template for template, _ in TEMPLATES]), max_size=6),
    st.sampled_from([uri for _, uri in TEMPLATES]),
)
def test_many_templates_match_what_one_of_them_matches(templates: list[str], uri: str) -> None:
    assert Templates(templates).may_match(uri) is any(Templates([each]).may_match(uri) for each in templates)
