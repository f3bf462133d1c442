"""One message in, the same message out: nothing that is unambiguous is lost, nothing that is ambiguous passes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway_site.lib import jsontext
from proxy import wire
from proxy.errors import Refusal
from proxy.wire import MAX_LISTENED, MAX_URI, parse_request

claim = pytest.mark.claim
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBERS = st.one_of(
    st.integers(),
    st.integers(2**53 - 2, 2**64 + 2),
    st.integers(-(2**64) - 2, -(2**53) + 2),
    st.integers(0, 300).map(lambda digits: 10**digits),
    st.floats(allow_nan=False, allow_infinity=False),
)
# Texts that a careless look at the bytes would take for structure or for numbers.
TRAPS = ['"', "\\", ":", '\\":{', "12345678901234567890"]
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXT, st.sampled_from(TRAPS)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=20,
)
PIECES = [b"", b'"', b"\\", b",", b":", b"{", b"}", b"[", b"]", b"1", b"e9", b"\xff", b" "]
OBJECTS = st.dictionaries(TEXT, VALUES, max_size=5)


@claim("wire.requests")
@pytest.mark.parametrize(
    "method", ["tools/call", "prompts/get", "resources/read", "initialize", "subscriptions/listen"]
)
def test_what_asks_for_an_answer_needs_an_id(method: str) -> None:
    params = {"name": "x", "uri": "x"} if method not in ("initialize", "subscriptions/listen") else {}
    with pytest.raises(Refusal) as caught:
        wire.parse_request(json.dumps({"jsonrpc": "2.0", "method": method, "params": params}).encode())
    assert (caught.value.status, caught.value.code) == (400, -32600)


@st.composite
def rendered(draw: st.DrawFn, value: Any) -> str:
    """The value as one of the many texts that mean it."""
    return json.dumps(
        value,
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.sampled_from([None, 0, 1])),
        separators=draw(st.sampled_from([None, (",", ":"), (" ,\t", "\r\n:\n")])),
    )


def exact(value: Any) -> str:
    """Tells 1 from 1.0 and True, which == does not."""
    return json.dumps(value, sort_keys=True)


def call(arguments: str, *, message_id: str = "1") -> bytes:
    params = f'{{"name":"x","arguments":{arguments}}}'
    return f'{{"jsonrpc":"2.0","id":{message_id},"method":"tools/call","params":{params}}}'.encode()


def read(body: bytes) -> dict[str, Any] | Refusal:
    """Nothing else may come of any bytes."""
    try:
        return wire.parse_request(body)
    except Refusal as found:
        return found


def refusal(body: bytes) -> Refusal:
    with pytest.raises(Refusal) as caught:
        wire.parse_request(body)
    return caught.value


@claim("wire.faithful")
@given(st.data(), OBJECTS)
def test_whatever_is_unambiguous_survives(data: st.DataObject, arguments: dict[str, Any]) -> None:
    message = wire.parse_request(call(data.draw(rendered(arguments))))
    assert exact(message["params"]["arguments"]) == exact(arguments)
    sent = json.loads(jsontext.encode(message))
    assert exact(sent["params"]["arguments"]) == exact(arguments)
    assert list(sent) == ["jsonrpc", "id", "method", "params"]


@claim("wire.faithful")
@given(st.data(), VALUES)
def test_an_answer_of_an_upstream_survives(data: st.DataObject, result: Any) -> None:
    text = data.draw(rendered({"jsonrpc": "2.0", "id": 1, "result": result}))
    for body in (text, text.encode()):
        assert exact(json.loads(jsontext.encode(jsontext.decode(body)))["result"]) == exact(result)


@st.composite
def objects_with_a_duplicate(draw: st.DrawFn) -> str:
    """An object in which one name comes twice, somewhere, perhaps spelled with escapes the second time."""
    name = draw(TEXT)
    plain = json.dumps(name, ensure_ascii=draw(st.booleans()))
    escaped = '"' + "".join(f"\\u{unit:04x}" for unit in _utf16(name)) + '"'
    second = draw(st.sampled_from([plain, escaped]))
    others = draw(st.dictionaries(TEXT.filter(lambda other: other != name), VALUES, max_size=3))
    members = [json.dumps(key) + ":" + json.dumps(value) for key, value in others.items()]
    members += [f"{spelling} : {json.dumps(draw(VALUES))}" for spelling in (plain, second)]
    text = "{" + ",".join(draw(st.permutations(members))) + "}"
    for _ in range(draw(st.integers(0, 5))):
        text = draw(st.sampled_from(["[{}]", '[":",{}]', '{{"in":{}}}', '{{"a\\":":1,"in":{}}}'])).format(text)
    return '{"before":' + json.dumps(draw(VALUES)) + ',"here":' + text + "}"


def _utf16(text: str) -> list[int]:
    raw = text.encode("utf-16-be")
    return [int.from_bytes(raw[index : index + 2], "big") for index in range(0, len(raw), 2)]


@claim("wire.duplicates")
@given(objects_with_a_duplicate())
def test_a_duplicate_name_is_refused_wherever_it_is(arguments: str) -> None:
    found = refusal(call(arguments))
    assert (found.status, found.code) == (400, -32600)
    assert found.message.startswith("Duplicate JSON member ")


@claim("wire.depth")
@given(st.lists(st.booleans(), min_size=1, max_size=300))
@example([True] * 61)
@example([True] * 62)
@example([False] * 62)
@example([True] * 20_000)
def test_nesting_is_taken_up_to_the_limit_and_never_beyond(shape: list[bool]) -> None:
    text = "".join("[" if is_list else '{"a":' for is_list in shape)
    text += "0" + "".join("]" if is_list else "}" for is_list in reversed(shape))
    # The envelope, params and arguments are three levels more.
    body = call('{"deep":' + text + "}")
    if len(shape) + 3 <= wire.MAX_DEPTH:
        assert wire.parse_request(body)["method"] == "tools/call"
    else:
        assert refusal(body).code == -32700


@claim("wire.numbers")
@given(st.integers(min_value=2**63, max_value=10**300), st.booleans())
def test_integers_beyond_64_bits_keep_every_digit(number: int, negative: bool) -> None:
    number = -number if negative else number
    message = wire.parse_request(call(f'{{"n":{number},"text":"{number}"}}'))
    assert json.loads(jsontext.encode(message))["params"]["arguments"] == {"n": number, "text": str(number)}


@claim("wire.numbers")
@given(OBJECTS, st.sampled_from(["NaN", "Infinity", "-Infinity", "1e999", "-1E+400", "9" * 400, "-" + "9" * 5000]))
def test_what_is_no_number_is_refused(beside: dict[str, Any], number: str) -> None:
    found = refusal(call(f'{{"beside":{json.dumps(beside)},"n":[{number}]}}'))
    assert (found.status, found.code) == (400, -32700)


@claim("wire.surrogates")
@given(OBJECTS, TEXT, st.integers(0xD800, 0xDFFF), st.booleans(), st.integers(0, 1000))
def test_an_unpaired_surrogate_is_refused_as_value_and_as_name(
    beside: dict[str, Any], text: str, unit: int, as_name: bool, depth: int
) -> None:
    bad = json.dumps(text)[:-1] + f'\\u{unit:04x}"'
    inner = f"{{{bad}:1}}" if as_name else bad
    found = refusal(call(f'{{"beside":{json.dumps(beside)},"n":{"[" * depth}{inner}{"]" * depth}}}'))
    assert (found.status, found.code) in ((400, -32602), (400, -32700))
    if depth < 60:
        assert (found.code, found.message) == (-32602, "Unpaired surrogate")


@claim("wire.total")
@given(st.binary(max_size=60))
def test_no_bytes_lead_to_anything_but_a_message_or_a_refusal(body: bytes) -> None:
    found = read(body)
    assert not isinstance(found, Refusal) or found.status == 400


@claim("wire.total")
@given(st.data(), OBJECTS)
def test_a_damaged_message_is_read_as_the_standard_library_reads_it_or_refused(
    data: st.DataObject, arguments: dict[str, Any]
) -> None:
    body = bytearray(call(json.dumps(arguments, ensure_ascii=False)))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(body) - 1))
        piece = data.draw(st.sampled_from(PIECES))
        body[place : place + data.draw(st.integers(0, 2))] = piece
    found = read(bytes(body))
    if isinstance(found, Refusal):
        assert found.status == 400
    else:
        assert exact(found) == exact(json.loads(body))


@claim("wire.total")
@given(VALUES)
def test_any_value_in_place_of_a_message_is_read_or_refused(value: Any) -> None:
    found = read(json.dumps(value).encode())
    assert found.status == 400 if isinstance(found, Refusal) else found["jsonrpc"] == "2.0"


@given(st.one_of(st.integers(-(2**53) + 1, 2**53 - 1), TEXT))
def test_an_id_keeps_its_value_and_its_type(message_id: Any) -> None:
    found = wire.parse_request(call("{}", message_id=json.dumps(message_id)))["id"]
    assert (type(found), found) == (type(message_id), message_id)


def test_a_refusal_carries_the_id_only_when_it_was_found() -> None:
    assert refusal(call("[]", message_id='"mine"')).message_id == "mine"
    assert refusal(call("{}", message_id="null")).message_id is None
    assert refusal(b'{"jsonrpc":"2.0","id":1,"extra":1,"method":"ping"}').message_id is None


@pytest.mark.parametrize(
    "answer", [b"", b"{", b"\xff", b"NaN", b'{"a":Infinity}', b'"\\ud800"', b"9" * 5000, b"{} {}", b"\xef\xbb\xbf{}"]
)
def test_an_answer_that_is_no_json_is_an_error_of_one_kind(answer: bytes) -> None:
    with pytest.raises(ValueError):
        jsontext.decode(answer)


def test_a_long_string_of_digits_or_escapes_costs_no_time() -> None:
    """The regular expressions are linear: a megabyte of the worst input is read at once."""
    for text in ("1" * 10**6, '\\"' * 500_000, "\\\\" * 500_000, ":" * 10**6):
        assert wire.parse_request(call(f'{{"a":"{text}"}}'))["id"] == 1


@claim("wire.long")
@given(st.data(), VALUES)
def test_a_long_text_is_read_as_a_short_one_is(data: st.DataObject, value: Any) -> None:
    tricky = st.sampled_from(['\\"', "\\\\", ":", '":"', "1" * 19, "\\", '"', "9" * 25])
    value = [value, data.draw(st.dictionaries(st.lists(tricky).map("".join), st.lists(tricky).map("".join)))]
    value.append(data.draw(st.integers(-(10**30), 10**30)))
    raw = data.draw(rendered(value)).encode()
    short = jsontext.count_names(raw), jsontext.holds_long_number(raw), jsontext.decode(raw)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsontext, "_SHORT", 0)
        assert (jsontext.count_names(raw), jsontext.holds_long_number(raw), jsontext.decode(raw)) == short


@claim("wire.long")
def test_no_slow_expression_reads_a_long_text(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refused:
        def sub(self, *_: Any) -> bytes:
            raise AssertionError("a call that holds the interpreter as long as the text is")

    monkeypatch.setattr(jsontext, "_STRINGS", Refused())
    arguments = {"text": "1234567890" * 2_000 + '\\"', "number": 10**30}
    assert wire.parse_request(call(json.dumps(arguments)))["params"]["arguments"] == arguments


@pytest.mark.claim("authorize.many")
@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("resources/read", {"uri": "x" * (MAX_URI + 1)}),
        ("resources/subscribe", {"uri": "x" * (MAX_URI + 1)}),
        ("completion/complete", {"ref": {"type": "ref/resource", "uri": "x" * (MAX_URI + 1)}}),
        ("subscriptions/listen", {"notifications": {"resourceSubscriptions": ["x" * (MAX_URI + 1)]}}),
        ("subscriptions/listen", {"notifications": {"resourceSubscriptions": ["x"] * (MAX_LISTENED + 1)}}),
    ],
)
def test_what_is_asked_for_by_uri_has_a_bound(method: str, params: dict[str, Any]) -> None:
    def message(params: Any) -> bytes:
        return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()

    with pytest.raises(Refusal) as refused:
        parse_request(message(params))
    assert (refused.value.kind, refused.value.message_id) == ("invalid_params", 1)
    fitting = json.loads(json.dumps(params).replace("x" * (MAX_URI + 1), "x" * MAX_URI))
    if "notifications" in fitting:
        del fitting["notifications"]["resourceSubscriptions"][MAX_LISTENED:]
    assert parse_request(message(fitting))["params"] == fitting
