"""What was found is replaced and nothing else; what a schema or the protocol says of the place still holds."""

from __future__ import annotations

import base64
from typing import Any

import jsonschema_rs
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails.engine.findings import Finding
from guardrails.engine.redact import Unredactable, redact, text_of
from guardrails.engine.segments import Surface
from guardrails.engine.surfaces import segments_of
from guardrails.engine.walk import at, walk
from tests.growth import Work, assert_at_most, assert_in_proportion
from tests.guardrails.messages import TEXT_BLOB, samples
from tests.json_values import json_values

pytestmark = pytest.mark.claim("guardrails.redact")
claim = pytest.mark.claim

MAIL = "anna@example.com"
CARD = 4111111111111111


def seen(pointer: str, start: int = 0, end: int = 0, category: str = "EMAIL", **more: Any) -> Finding:
    return Finding("pii", category, 1.0, pointer, start, end, **more)


def name_of(finding: Finding, text: str) -> str:
    assert text
    return f"<{finding.category}>"


def call(arguments: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "t", "arguments": arguments}}


def answer(**result: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "result": result}


def redact_all(message: Any, hidden: str, schema: Any = None, category: str = "EMAIL") -> Any:
    """Redacts a text wherever it stands, as a detector would find it."""
    direction = "input" if "params" in message else "output"
    found = []
    for segment in segments_of(message, direction=direction, method="tools/call", modern=True, schema=schema).segments:
        start = segment.text.find(hidden)
        while start >= 0:
            found.append(seen(segment.pointer, start, start + len(hidden), category, is_key=segment.is_key))
            start = segment.text.find(hidden, start + len(hidden))
    assert found
    return redact(message, found, name_of, schema)


def test_only_what_was_found_is_replaced() -> None:
    message = call({"to": f"Write to {MAIL}, please", "cc": ["other"], "deep": {"untouched": [1]}})
    after = redact_all(message, MAIL)
    assert after["params"]["arguments"]["to"] == "Write to <EMAIL>, please"
    assert after["params"]["arguments"]["cc"] is message["params"]["arguments"]["cc"]
    assert after["params"]["arguments"]["deep"] is message["params"]["arguments"]["deep"]
    assert message["params"]["arguments"]["to"] == f"Write to {MAIL}, please"


def test_nothing_found_gives_the_message_itself() -> None:
    message = call({"a": "b"})
    assert redact(message, [], name_of) is message


def test_overlapping_findings_become_one_and_neighbours_stay_two() -> None:
    message = call({"t": "0123456789"})
    place = "/params/arguments/t"
    found = [seen(place, 2, 5, "SHORT"), seen(place, 3, 8, "LONG"), seen(place, 8, 9, "NEXT")]
    assert redact(message, found, name_of)["params"]["arguments"]["t"] == "01<LONG><NEXT>9"


def test_a_token_is_asked_for_the_whole_of_what_it_replaces() -> None:
    asked = []

    def note(finding: Finding, text: str) -> str:
        asked.append((finding.start, finding.end, text))
        return "<T>"

    place = "/params/arguments/t"
    redact(call({"t": "0123456789"}), [seen(place, 2, 5), seen(place, 3, 8), seen(place, 9, 10)], note)
    assert asked == [(2, 8, "234567"), (9, 10, "9")]


def test_a_finding_without_a_span_or_beyond_the_text_stands_for_the_leaf() -> None:
    for start, end in ((0, 0), (5, 5), (50, 60)):
        assert redact(call({"t": "abcdef"}), [seen("/params/arguments/t", start, end)], name_of) == call(
            {"t": "<EMAIL>"}
        )


@given(json_values(), st.data())
@settings(max_examples=200, deadline=None)
def test_any_findings_in_any_value_leave_the_rest_as_it_was(value: Any, data: st.DataObject) -> None:
    message = call({"value": value})
    places = list(walk(value, surface=Surface.ARGUMENTS, base="/params/arguments/value"))
    chosen = data.draw(st.lists(st.sampled_from(places), max_size=4, unique=True)) if places else []
    found = [seen(s.pointer, 0, len(s.text), "X", is_key=s.is_key) for s in chosen]
    after = redact(message, found, lambda *_: "\u00a7")
    assert orjson.dumps(after)
    changed = {s.pointer for s in chosen}
    before_texts = [s.text for s in places if s.pointer not in changed or (s.is_key and not any(
        c.pointer == s.pointer and c.is_key for c in chosen))]  # fmt: skip
    after_texts = [s.text for s in walk(after["params"]["arguments"]["value"], surface=Surface.ARGUMENTS)]
    assert len(after_texts) >= len(before_texts)
    for text in before_texts:
        assert text in after_texts


def test_a_member_name_is_replaced_in_its_place_without_losing_another() -> None:
    message = call({"first": 1, MAIL: {"of": MAIL}, "ben@example.com": 2, "<EMAIL>": 3, "last": 4})
    found = [seen(f"/params/arguments/{name}", 0, len(name), is_key=True) for name in (MAIL, "ben@example.com")]
    found.append(seen(f"/params/arguments/{MAIL}/of", 0, len(MAIL)))
    after = redact(message, found, name_of)["params"]["arguments"]
    assert list(after.items()) == [
        ("first", 1), ("<EMAIL_2>", {"of": "<EMAIL>"}), ("<EMAIL_3>", 2), ("<EMAIL>", 3), ("last", 4),
    ]  # fmt: skip


def test_names_that_become_equal_are_numbered_in_time_in_proportion() -> None:
    def numbering(count: int) -> Work:
        names = [f"user{index}@example.com" for index in range(count)]
        message = call({name: index for index, name in enumerate(names)})
        found = [seen(f"/params/arguments/{name}", 0, len(name), is_key=True) for name in names]

        def number() -> None:
            after = redact(message, found, name_of)["params"]["arguments"]
            assert list(after.values()) == list(range(count))

        return number

    assert_in_proportion(numbering, 1_250)


@pytest.mark.parametrize("name", ["\u00b2", "9" * 5_000, "01", "-", "", "a/b~c"])
def test_a_member_may_have_any_name(name: str) -> None:
    place = name.replace("~", "~0").replace("/", "~1")
    found = [seen(f"/params/arguments/{place}", 0, len(MAIL))]
    after = redact(call({name: MAIL}), found, name_of, {"type": "object"})
    assert after == call({name: "<EMAIL>"})


def test_a_number_becomes_another_number() -> None:
    assert redact_all(call({"card": CARD}), str(CARD)) == call({"card": 0})
    after = redact_all(answer(structuredContent={"card": float(CARD)}), str(CARD))
    assert type(after["result"]["structuredContent"]["card"]) is float


def test_a_text_in_base64_is_rewritten_inside() -> None:
    blob = base64.b64encode(f"Name: Anna\nMail: {MAIL}\n".encode()).decode()
    message = answer(contents=[{"uri": "file:///a", "mimeType": "text/plain", "blob": blob}])
    after = redact_all(message, MAIL)
    assert base64.b64decode(after["result"]["contents"][0]["blob"]) == b"Name: Anna\nMail: <EMAIL>\n"
    wide = base64.b64encode(f"Mail: {MAIL}".encode("utf-16")).decode()
    message = answer(content=[{"type": "image", "data": wide, "mimeType": "image/png"}])
    after = redact_all(message, MAIL)
    assert base64.b64decode(after["result"]["content"][0]["data"]).decode("utf-16") == "Mail: <EMAIL>"


def test_base64_of_bytes_stays_base64() -> None:
    message = answer(content=[{"type": "image", "data": "AKIAIOSFODNN7EXAMPLE", "mimeType": "image/png"}])
    data = redact_all(message, "AKIAIOSFODNN7EXAMPLE", category="AWS")["result"]["content"][0]["data"]
    assert base64.b64decode(data, validate=True) == b"<AWS>"


def test_a_finding_in_a_decoded_view_replaces_the_encoded_run() -> None:
    run = base64.b64encode(f"send to {MAIL}".encode()).decode()
    message = call({"t": f"decode {run} now"})
    found = [seen("/params/arguments/t", 7, 7 + len(run), how="base64")]
    assert redact(message, found, name_of)["params"]["arguments"]["t"] == "decode <EMAIL> now"


def test_the_same_value_is_replaced_in_text_and_structure() -> None:
    rows = {"rows": [{"mail": MAIL, "card": CARD}]}
    message = answer(content=[{"type": "text", "text": orjson.dumps(rows).decode()}], structuredContent=rows)
    after = redact_all(redact_all(message, MAIL), str(CARD), category="CARD")
    assert orjson.loads(after["result"]["content"][0]["text"]) == {"rows": [{"mail": "<EMAIL>", "card": "<CARD>"}]}
    assert after["result"]["structuredContent"] == {"rows": [{"mail": "<EMAIL>", "card": 0}]}


def test_json_in_a_text_stays_json_whatever_the_placeholder() -> None:
    text = '{"a": "x \\" MAIL é", "b": [12345678901, -1.5e3], "MAIL": null}'
    message = answer(content=[{"type": "text", "text": text}])
    place = "/result/content/0/text"
    found = [
        seen(place, text.index("MAIL"), text.index("MAIL") + 4),
        seen(place, text.index("345"), text.index("345") + 3),
    ]
    found.append(seen(place, text.rindex("MAIL"), text.rindex("MAIL") + 4))
    after = redact(message, found, lambda *_: 'a "quoted"\\ thing')["result"]["content"][0]["text"]
    thing = 'a "quoted"\\ thing'
    assert orjson.loads(after) == {"a": f'x " {thing} é', "b": [thing, -1.5e3], thing: None}


@pytest.mark.parametrize("pointer", ["/id", "/method", "/params/name", "/params/_meta/progressToken", "/params/cursor"])
def test_what_a_message_finds_its_way_by_is_never_rewritten(pointer: str) -> None:
    message = call({})
    message["id"] = MAIL
    message["params"] |= {"name": MAIL, "cursor": MAIL, "_meta": {"progressToken": MAIL}}
    with pytest.raises(Unredactable) as raised:
        redact(message, [seen(pointer, 0, 4)], name_of)
    assert raised.value.pointer == pointer


@pytest.mark.parametrize("pointer", ["/params/arguments/gone", "/params/arguments", "/params/arguments/no", "x", ""])
def test_a_place_without_a_text_is_refused(pointer: str) -> None:
    with pytest.raises(Unredactable):
        redact(call({"no": None}), [seen(pointer, 0, 4)], name_of)


def test_members_of_the_protocol_keep_their_form() -> None:
    link = {
        "type": "resource_link", "uri": f"https://example.com/u/{MAIL}?x=1", "name": MAIL, "mimeType": f"text/{MAIL} x",
        "annotations": {"lastModified": "2025-01-12T15:00:58Z", "audience": ["user"]},
    }  # fmt: skip
    message = answer(content=[link])
    block = redact_all(message, MAIL)["result"]["content"][0]
    assert block["uri"] == "https://example.com/u/%3CEMAIL%3E?x=1" and block["name"] == "<EMAIL>"
    found = [seen("/result/content/0/annotations/lastModified", 0, 10, "DATE")]
    after = redact(message, found, name_of)["result"]["content"][0]["annotations"]
    assert jsonschema_rs.validator_for({"format": "date-time"}, validate_formats=True).is_valid(after["lastModified"])
    assert "2025-01-12" not in after["lastModified"]
    with pytest.raises(Unredactable):
        redact(answer(messages=[{"role": "user"}]), [seen("/result/messages/0/role", 0, 4)], name_of)


@pytest.mark.parametrize(
    ("leaf", "value"),
    [
        ({"type": "string", "format": "email"}, MAIL),
        ({"type": "string", "format": "uri"}, "https://example.com/anna"),
        ({"type": "string", "format": "date"}, "1980-02-03"),
        ({"type": "string", "format": "date-time"}, "1980-02-03T04:05:06Z"),
        ({"type": "string", "format": "ipv4"}, "203.0.113.9"),
        ({"type": "string", "format": "ipv6"}, "2001:db8::17"),
        ({"type": "string", "format": "uuid"}, "123e4567-e89b-12d3-a456-426614174000"),
        ({"type": "string", "format": "hostname"}, "host.example.com"),
        ({"type": "string", "pattern": "^[0-9]{3}-[0-9]{2}-[0-9]{4}$"}, "536-90-4399"),
        ({"type": "string", "pattern": "^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$"}, "DE89370400440532013000"),
        ({"type": "string", "pattern": "^[1-9][0-9]{9}$"}, "2025550123"),
        ({"type": "string", "pattern": "^\\+[0-9]+$", "minLength": 8, "maxLength": 16}, "+12025550123"),
        ({"type": "string", "pattern": "^[0-9a-f]{32}$"}, "d41d8cd98f00b204e9800998ecf8427e"),
        ({"type": "string", "maxLength": 5}, "Annaé"),
        ({"type": "string", "minLength": 12}, "Anna Smith jr"),
        ({"type": "string", "enum": ["unknown", "Anna", "Ben"]}, "Anna"),
        ({"enum": ["Anna", "Ben", None]}, "Anna"),
        ({"type": ["string", "null"], "pattern": "^Anna$"}, "Anna"),
        ({"type": "string", "not": {"pattern": "[<>x0-9A]"}}, "b@c.de"),
        ({"type": "integer"}, CARD),
        ({"type": "integer", "minimum": 1_000_000}, CARD),
        ({"type": "integer", "exclusiveMinimum": 0, "maximum": 10**16}, CARD),
        ({"type": "integer", "multipleOf": 3, "minimum": 7}, 4111111111111113),
        ({"type": "number", "exclusiveMaximum": -5}, -4111111111111111.0),
        ({"type": ["integer", "string"]}, CARD),
        ({"anyOf": [{"type": "string", "format": "email"}, {"type": "null"}]}, MAIL),
        ({"oneOf": [{"type": "string", "format": "email"}, {"type": "integer"}]}, MAIL),
        ({"allOf": [{"$ref": "#/$defs/mail"}, {"maxLength": 40}]}, MAIL),
        ({"$ref": "#/$defs/mail"}, MAIL),
    ],
    ids=str,
)
@pytest.mark.parametrize("side", ["arguments", "structured", "list", "tree"])
@claim("guardrails.redact-schema")
def test_a_replacement_satisfies_the_schema_of_its_place(leaf: Any, value: Any, side: str) -> None:
    defs = {"mail": {"type": "string", "format": "email"}, "tree": {"properties": {
        "leaf": leaf, "below": {"$ref": "#/$defs/tree"}}}}  # fmt: skip
    if side == "list":
        schema = {"properties": {"all": {"type": "array", "items": leaf, "uniqueItems": True}}, "$defs": defs}
        whole: Any = {"all": [value]}
        place = "/all/0"
    elif side == "tree":
        schema, whole, place = {"$ref": "#/$defs/tree", "$defs": defs}, {"below": {"leaf": value}}, "/below/leaf"
    else:
        schema = {"type": "object", "properties": {"leaf": leaf}, "required": ["leaf"], "$defs": defs}
        whole, place = {"leaf": value}, "/leaf"
    message = call(whole) if side == "arguments" else answer(structuredContent=whole)
    base = "/params/arguments" if side == "arguments" else "/result/structuredContent"
    after = redact(message, [seen(base + place, 0, len(str(value)))], name_of, schema)
    validator = jsonschema_rs.validator_for(schema, validate_formats=True)
    assert validator.is_valid(whole) and validator.is_valid(at(after, base))
    assert at(after, base + place) != value and str(value) not in str(at(after, base))


@claim("guardrails.redact-schema")
def test_the_placeholder_is_kept_where_the_schema_allows_it() -> None:
    schema = {"properties": {"t": {"type": "string", "maxLength": 40}}, "additionalProperties": False}
    assert redact_all(call({"t": f"to {MAIL}"}), MAIL, schema) == call({"t": "to <EMAIL>"})


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"properties": {"t": {"const": "Anna"}}}, "Anna"),
        ({"properties": {"t": {"enum": ["Anna", "Ben"]}}}, "Anna"),
        ({"properties": {"t": {"type": "string", "pattern": "^Anna"}}}, "Anna Smith"),
        ({"properties": {"t": {"type": "integer", "minimum": CARD, "maximum": CARD}}}, CARD),
        ({"properties": {"t": {"$ref": "https://example.com/other.json"}}}, "Anna"),
        ({"properties": {"t": {"$ref": "#/$defs/gone"}}}, "Anna"),
        ({"properties": {"t": {"pattern": "(?=a)b"}}}, "Anna"),
        ({"type": "wrong"}, "Anna"),
    ],
    ids=str,
)
@claim("guardrails.redact-schema")
def test_what_no_other_value_fits_is_refused(schema: Any, value: Any) -> None:
    with pytest.raises(Unredactable) as raised:
        redact(call({"t": value}), [seen("/params/arguments/t", 0, len(str(value)))], name_of, schema)
    assert raised.value.pointer == "/params/arguments/t"


@claim("guardrails.redact-schema")
def test_a_declared_member_is_not_renamed() -> None:
    found = [seen("/params/arguments/anna", 0, 4, is_key=True)]
    for schema in (
        {"required": ["anna"]},
        {"properties": {"anna": {}}, "additionalProperties": False},
        {"propertyNames": {"enum": ["anna"]}},
    ):
        with pytest.raises(Unredactable):
            redact(call({"anna": 1}), found, name_of, schema)
    assert redact(call({"anna": 1}), found, name_of, {"properties": {"anna": {}}}) == call({"<EMAIL>": 1})
    assert redact(call({"anna": 1}), found, name_of, {"propertyNames": {"pattern": "^[a-z]+$"}}) == call({"xxxx": 1})


@claim("guardrails.redact-schema")
def test_equal_placeholders_stay_unique_where_the_schema_wants_that() -> None:
    schema = {"properties": {"all": {"type": "array", "uniqueItems": True, "items": {"format": "email"}}}}
    mails = ["a@b.com", "c@d.com", "e@f.com"]
    found = [seen(f"/result/structuredContent/all/{index}", 0, 7) for index in range(3)]
    after = redact(answer(structuredContent={"all": mails}), found, name_of, schema)["result"]["structuredContent"]
    assert jsonschema_rs.validator_for(schema, validate_formats=True).is_valid(after)
    assert not set(after["all"]) & set(mails)


@claim("guardrails.redact-schema")
def test_a_value_that_broke_its_schema_before_is_redacted_all_the_same() -> None:
    schema = {"properties": {"n": {"type": "integer"}, "t": {"format": "email"}}}
    message = answer(structuredContent={"n": "no number", "t": MAIL})
    after = redact_all(message, MAIL, schema)["result"]["structuredContent"]
    assert after == {"n": "no number", "t": "redacted@redacted.invalid"}


@claim("guardrails.redact-schema")
def test_a_schema_that_multiplies_its_work_is_refused_before_it_does() -> None:
    def redacting(steps: int) -> None:
        bomb: dict[str, Any] = {f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 3} for i in range(steps)}
        bomb[f"d{steps}"] = {"type": "string"}
        redact(call({"t": MAIL}), [seen("/params/arguments/t", 0, 4)], name_of,
               {"properties": {"t": {"$ref": "#/$defs/d0"}}, "$defs": bomb})  # fmt: skip

    def refusing(steps: int) -> None:
        with pytest.raises(Unredactable):
            redacting(steps)

    assert_at_most(20, lambda: refusing(16), lambda: redacting(8))


@claim("guardrails.redact-schema")
@pytest.mark.parametrize("mail", [{"format": "email"}, {"anyOf": [{"format": "email"}, {"type": "null"}]}], ids=str)
def test_leaves_are_fitted_in_time_in_proportion(mail: Any) -> None:
    schema = {"properties": {"rows": {"items": {"properties": {"mail": mail}}}}}

    def fitting(count: int) -> Work:
        message = answer(structuredContent={"rows": [{"mail": f"user{index}@example.com"} for index in range(count)]})
        found = [seen(f"/result/structuredContent/rows/{index}/mail", 0, 5) for index in range(count)]

        def fit() -> None:
            after = redact(message, found, name_of, schema)["result"]["structuredContent"]
            assert jsonschema_rs.validator_for(schema, validate_formats=True).is_valid(after)
            assert not any("user" in row["mail"] for row in after["rows"])

        return fit

    assert_in_proportion(fitting, 375)


def test_the_text_of_a_place_is_what_detectors_saw() -> None:
    for direction, method, message in samples():
        for segment in segments_of(message, direction=direction, method=method, modern=True).segments:
            assert text_of(message, segment.pointer, segment.is_key) == segment.text
    assert text_of(answer(contents=[{"uri": "a:b", "blob": TEXT_BLOB}]), "/result/contents/0/blob").startswith("Name")


def test_every_text_of_every_message_is_redacted_or_refused() -> None:
    """Nothing in between: what comes out does not hold the text, and has the shape it had."""
    for direction, method, message in samples():
        for segment in segments_of(message, direction=direction, method=method, modern=True).segments:
            found = seen(segment.pointer, 0, len(segment.text), "X", is_key=segment.is_key)
            try:
                after = redact(message, [found], name_of)
            except Unredactable:
                continue
            assert orjson.loads(orjson.dumps(after)) == after != message
            texts = segments_of(after, direction=direction, method=method, modern=True).segments
            assert (segment.pointer, segment.text) not in {(each.pointer, each.text) for each in texts}
