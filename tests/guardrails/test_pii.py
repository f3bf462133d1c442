"""Personal data is found where it is, told apart from what looks like it, and found again in disguise."""

from __future__ import annotations

import json
import random
from typing import Any
from urllib.parse import quote_plus

import pytest

from guardrails.detectors.pii import Pii
from guardrails.engine.detector import ConfigError, find
from guardrails.engine.hits import Hit, settle
from guardrails.pii.names import Likeness, likeness
from guardrails.pii.reading import Reading, pattern
from guardrails.pii.types import CATEGORIES, TYPES, types_of
from tests.growth import Work, assert_in_proportion
from tests.guardrails.detecting import covers, found, scan, scan_value
from tests.guardrails.persons import KEYED, Person, account, card, person

claim = pytest.mark.claim
PII = Pii({})


def spellings(value: str) -> list[str]:
    """How a value may stand in a text: as it is, and escaped for JSON, SQL, a URL or Python."""
    once = json.dumps(value)[1:-1]
    return [value, once, json.dumps(once)[1:-1], value.replace("'", "''"), quote_plus(value), repr(value)[1:-1]]


def missed(text: str, values: dict[str, str]) -> list[str]:
    """Which values stand in the text and are not found there under their category."""
    findings = scan(PII, text)
    lost = []
    for category, value in values.items():
        places = [(text.find(spelling), len(spelling)) for spelling in spellings(value)]
        start, length = next(((start, length) for start, length in places if start >= 0), (-1, 0))
        if start >= 0 and not covers(findings, category, start, start + length):
            lost.append(f"{category} {value}")
    return lost


def values_of(someone: Person) -> dict[str, str]:
    return {
        "EMAIL": someone.email, "PHONE": someone.phone, "IP_ADDRESS": someone.ip, "PERSON": someone.name,
        "ADDRESS": someone.address,
    }  # fmt: skip


# --- by structure ---------------------------------------------------------------------------------------


@claim("guardrails.pii-structured")
@pytest.mark.parametrize("how", sorted(KEYED))
def test_people_of_all_countries_are_found_in_every_kind_of_text(how: str) -> None:
    rng = random.Random(how)
    lost, total = [], 0
    for _ in range(30):
        someone = person(rng)
        lost += missed(KEYED[how](someone), values_of(someone))
        total += 5
    structural = [each for each in lost if not each.startswith(("PERSON", "ADDRESS"))]
    assert len(structural) <= 1
    assert len(lost) <= 0.03 * total, lost


@claim("guardrails.pii-structured")
@pytest.mark.parametrize(
    "text",
    [
        "{0}", "pay {0} now", '{{"card": "{0}", "iban": "{1}"}}', "a;{0};{1}\n", "card={0} account={1}", "({0}) [{1}]",
        "<pan>{0}</pan><iban>{1}</iban>", "Kartennummer {0}, IBAN {1}.",
    ],
)  # fmt: skip
def test_cards_and_accounts_are_found_wherever_they_stand(text: str) -> None:
    rng = random.Random(text)
    for _ in range(40):
        number, iban = card(rng), account(rng)
        written = text.format(number, iban)
        got = found(PII, written)
        assert got.get("CREDIT_CARD") == [number], written
        if iban in written:
            assert got.get("IBAN") == [iban], written


@claim("guardrails.pii-structured")
@pytest.mark.parametrize(
    ("text", "category", "value"),
    [
        ("SSN 536-90-4399", "SSN", "536-90-4399"),
        ("social security number: 536904399", "SSN", "536904399"),
        ("from 81.169.145.72 port 22", "IP_ADDRESS", "81.169.145.72"),
        ("client=2001:db8:85a3::8a2e:370:7334 ok", "IP_ADDRESS", "2001:db8:85a3::8a2e:370:7334"),
        ("eth0 b8:27:eb:4a:91:0c up", "MAC_ADDRESS", "b8:27:eb:4a:91:0c"),
        ("write to anna.o'neil+x@sub.mail.example.org.", "EMAIL", "anna.o'neil+x@sub.mail.example.org"),
        ("<mailto:jürgen@bücher.example>", "EMAIL", "jürgen@bücher.example"),
        ("call me on 9472 7916 tonight", "PHONE", "9472 7916"),
        ("Tel.: 030/901820", "PHONE", "030/901820"),
        ("Tel. 020 7946 0958", "PHONE", "020 7946 0958"),
        ("reach +1 (415) 555-2671 ext. 12", "PHONE", "+1 (415) 555-2671 ext. 12"),
        ("born on 3 March 1990 in Oslo", "DATE_OF_BIRTH", "3 March 1990"),
        ("Geburtsdatum: 03.04.1971", "DATE_OF_BIRTH", "03.04.1971"),
        ("send to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "CRYPTO_WALLET", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
        ("bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", "CRYPTO_WALLET", "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"),
        ('{"lat": 52.520008, "x": 1}', "COORDINATES", "52.520008"),
        ("Passport No: C01X00T47", "PASSPORT", "C01X00T47"),
        ("driver's license number is F162823540116", "DRIVER_LICENCE", "F162823540116"),
        ("account number: 12345678", "BANK_ACCOUNT", "12345678"),
        ("pay GB29 NWBK 6016 1331 9268 19 today", "IBAN", "GB29 NWBK 6016 1331 9268 19"),
    ],
)
def test_each_kind_of_value_is_found_with_its_exact_place(text: str, category: str, value: str) -> None:
    assert found(PII, text).get(category) == [value]


@claim("guardrails.pii-structured")
def test_a_number_that_is_a_leaf_of_json_is_found() -> None:
    findings = scan_value(PII, {"payment": {"card": 4111111111111111}, "contact": {"phone": 4915112345678}})
    assert {(finding.category, finding.pointer) for finding in findings} == {
        ("CREDIT_CARD", "/payment/card"), ("PHONE", "/contact/phone"),
    }  # fmt: skip


@claim("guardrails.pii-structured")
def test_a_member_name_that_is_an_address_is_found() -> None:
    (finding,) = scan_value(PII, {"members": {"zoe@post.example.org": "admin"}})
    assert finding.is_key
    assert finding.category == "EMAIL"


@claim("guardrails.pii-checksums")
@pytest.mark.parametrize(
    "text",
    [
        "card 4111111111111112", "4111 1111 1111 1113", "IBAN DE89370400440532013001", "SSN 666-12-3456",
        "000-12-3456", "900-12-3456", "123-00-6789", "IBAN XX89370400440532013000", "order 9999999999999995",
        "id 0.4111111111111111", "sha 4111111111111111abcdef", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb",
        "0000-0000-0000-0000",
    ],
)  # fmt: skip
def test_a_number_that_does_not_prove_itself_is_none(text: str) -> None:
    assert found(PII, text) == {}


@claim("guardrails.pii-checksums")
@pytest.mark.parametrize(
    "text",
    [
        "version 10.2.3.4", "package==1.2.3.4", "v61.2.3.4", "OID 1.3.6.1.4.1", "127.0.0.1", "0.0.0.0", "255.255.255.0",
        "see section 4.2.1.3", "10.0.0.0/8 is private", "resolver 8.8.8.8", "std::vector<a::b>", "x[::2]", "12:30:45",
        "::1", "300.1.2.3", "icon@2x.png", "git@github.com:owner/repo.git", "https://user:pw1@host.example.org/x",
        "npm i @types/node@20.1.0", "x = a@b.mean(axis=0)", "2026-01-02T03:04:05Z", "00:00:00:00:00:00",
        "ISBN 978-3-16-148410-0", "0x7fff5fbff8a0", "1700000000000000", "3.14159265358979", "2026-11-09 17:25:44",
        "d41d8cd98f00b204e9800998ecf8427e", "a1c4814e-3bb9-4ccc-a828-bacdf4a4f3c8", "+12345", "(1) 234",
        "C:\\x\\1.2.3.4-rc1",
    ],
)  # fmt: skip
def test_what_only_looks_like_personal_data_is_left_alone(text: str) -> None:
    assert found(PII, text) == {}


# --- of nations -----------------------------------------------------------------------------------------


@claim("guardrails.pii-national")
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("CPF 529.982.247-25", "529.982.247-25"), ("sono RSSMRA85T10A562S", "RSSMRA85T10A562S"),
        ("CURP BOXW310820HNERXN09", "BOXW310820HNERXN09"), ("RUT 12.531.909-2", "12.531.909-2"),
        ("身份证 11010519491231002X", "11010519491231002X"), ("AHV 756.9217.0769.85", "756.9217.0769.85"),
        ("85.07.30-033.28", "85.07.30-033.28"), ("hetu 131052-308T", "131052-308T"),
        ("NI number QQ 12 34 56 C was asked", "QQ 12 34 56 C"), ("NRIC S1234567D", "S1234567D"),
        ("PESEL 44051401359", "44051401359"), ("BSN: 111222333", "111222333"), ("DNI 54362315K", "54362315K"),
        ("NHS number 943 476 5919", "943 476 5919"), ("SIN 046 454 286", "046 454 286"),
        ("personnummer 880320-0016", "880320-0016"), ("fødselsnummer: 15108695088", "15108695088"),
        ("aadhaar 2341 2341 2346", "2341 2341 2346"), ("numéro de sécurité sociale 295109912611193", "295109912611193"),
        ("주민등록번호 971013-9019902", "971013-9019902"),
    ],
)  # fmt: skip
def test_identity_numbers_of_many_countries_are_found(text: str, value: str) -> None:
    findings = scan(PII, text)
    start = text.index(value)
    assert covers(findings, "NATIONAL_ID", start, start + len(value)), findings


@claim("guardrails.pii-national")
@pytest.mark.parametrize(
    "key", ["national_id", "nationalId", "identity number", "pesel", "codice fiscale", "Ausweisnummer"]
)
def test_an_identity_number_with_a_wrong_digit_is_found_by_its_key(key: str) -> None:
    assert found(PII, json.dumps({key: "L01X00T471"})) == {"NATIONAL_ID": ["L01X00T471"]}


@claim("guardrails.pii-national")
def test_only_the_chosen_countries_count() -> None:
    text = "529.982.247-25 e BOXW310820HNERXN09"
    assert list(found(Pii({"locales": ["br"]}), text).values()) == [["529.982.247-25"]]
    assert "NATIONAL_ID" not in found(Pii({"locales": ["DE"]}), text)


@claim("guardrails.pii-national")
def test_telephones_of_the_chosen_countries_need_no_word_beside_them() -> None:
    assert found(Pii({"locales": ["DE"]}), "Zentrale (030) 9018-2000") == {"PHONE": ["(030) 9018-2000"]}


# --- names and addresses in fields ----------------------------------------------------------------------


@claim("guardrails.pii-keyed")
def test_people_are_found_in_structured_values_leaf_by_leaf() -> None:
    rng = random.Random(5)
    people = [person(rng) for _ in range(60)]
    rows = [
        {"id": place, "name": each.name, "email": each.email, "phone": each.phone, "address": each.address}
        for place, each in enumerate(people)
    ]
    findings = scan_value(PII, {"result": {"structuredContent": {"rows": rows}}})
    got = {
        (finding.pointer.rpartition("/")[2], finding.category, finding.pointer.split("/")[4]) for finding in findings
    }
    for place in range(60):
        for name, category in (("name", "PERSON"), ("phone", "PHONE"), ("address", "ADDRESS"), ("email", "EMAIL")):
            assert (name, category, str(place)) in got, rows[place][name]


@claim("guardrails.pii-keyed")
@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('{"customer": {"name": "Quy Xzhen"}}', "Quy Xzhen"),
        ('{"fields": [{"label": "Full name", "value": "Yuki Tanaka"}]}', "Yuki Tanaka"),
        ('{"columns": ["id", "name", "email"], "rows": [[1, "Zdeněk Dvořák", "z@post.org"]]}', "Zdeněk Dvořák"),
        ('{"attendees": ["Ann Leigh", "Omar Haddad"]}', "Omar Haddad"),
        ("**Name:** Ann Leigh\n**Passport No:** X1234567\n", "Ann Leigh"),
        ("<b>Name:</b> Ann Leigh<br><b>SSN:</b> 536-90-4399", "Ann Leigh"),
        ("BEGIN:VEVENT\nATTENDEE;CN=\"Ann Leigh\";ROLE=REQ:mailto:a@post.org\n", "Ann Leigh"),
        ("Cc: \"Leigh, Ann\" <ann@post.org>, Omar Haddad <o@post.org>\n\nHi", "Omar Haddad"),
        ('Reply-To: "Leigh, Ann" <ann@post.org>', "Leigh, Ann"),
        ('"signer_name": "Carlos Gutiérrez Ruiz"', "Carlos Gutiérrez Ruiz"),
        ("name,role,email\nAnn Leigh,admin,a@post.org\nXi Qo,user,x@post.org\n", "Xi Qo"),
    ],
)  # fmt: skip
def test_a_name_is_found_in_a_field_of_any_form(text: str, name: str) -> None:
    assert name in found(PII, text).get("PERSON", [])


@claim("guardrails.pii-keyed")
def test_a_name_found_once_is_found_wherever_it_stands() -> None:
    text = "From: Ann Leigh <a@post.org>\nTo: b@post.org\n\nAs said, the flat of Ann Leigh is free."
    assert found(PII, text)["PERSON"] == ["Ann Leigh", "Ann Leigh"]


@claim("guardrails.pii-things")
@pytest.mark.parametrize(
    "value",
    [
        {"name": "numpy", "version": "2.1.0"}, {"name": "React Native", "version": "0.70", "license": "MIT"},
        {"name": "Web Search", "description": "Finds pages"}, {"tool": {"name": "Read File"}},
        {"name": "French Guiana", "code": "GF"}, {"host_name": "db primary"}, {"fileName": "Annual Report"},
        {"author": {"name": "Sindre Sorhus"}, "name": "got"}, {"package": {"name": "Gson Core", "version": "1"}},
        {"className": "Main Window"}, {"eventName": "Page View"}, {"name": "GitHub Actions", "email_template": "x"},
    ],
)  # fmt: skip
def test_the_name_of_a_thing_is_no_person(value: Any) -> None:
    for findings in (scan_value(PII, value), scan(PII, json.dumps(value)), scan(PII, json.dumps(value, indent=2))):
        assert not [finding for finding in findings if finding.category == "PERSON"]


@claim("guardrails.pii-things")
@pytest.mark.parametrize(
    "text",
    [
        "def get_name(name: str) -> str:\n    return self.name\n",
        "Name: dateparser\nVersion: 1.5.0\nSummary: Parses dates\n",
        "import os, sys, json\nfrom a import b, c\n", "Address: 0x7fff5fbff8a0\nSize: 4096\n",
        "bind address: 0.0.0.0:8080",
        "The phone rings when 3 of 5 sensors report 20260101 as the date.",
        "FROM python:3.11\nLABEL name=\"My Service\"\n",
        "| Name | Type | Default |\n|---|---|---|\n| Max Items | int | 10 |\n", "street: true\ncity: false\n",
    ],
)  # fmt: skip
def test_code_and_documentation_hold_no_people(text: str) -> None:
    assert not {"PERSON", "ADDRESS", "PHONE", "NATIONAL_ID"} & set(found(PII, text))


@claim("guardrails.pii-things")
@pytest.mark.parametrize(
    "name", ["Alan Turing Institute", "Server Error", "MAX RETRIES", "getName", "x", "a b c d e f g h i j k l"]
)
def test_what_is_not_written_like_a_name_is_none(name: str) -> None:
    assert likeness(name) is Likeness.NO


# --- sentences ------------------------------------------------------------------------------------------


@claim("guardrails.pii-sentences")
@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("My name is Xolani Ndlovu and I ask for help.", "Xolani Ndlovu"), ("Ich heiße Uwe Kramp.", "Uwe Kramp"),
        ("Je m'appelle Zoé Picard", "Zoé Picard"), ("me llamo Íñigo Etxeberria", "Íñigo Etxeberria"),
        ("Dear Mrs. Thistle, thank you", "Thistle"), ("Sehr geehrter Herr Kvasnička,", "Kvasnička"),
        ("Thanks for it.\n\nBest regards,\nOmar Haddad\n", "Omar Haddad"),
        ("Bien cordialement,\n\nClémence Lefèvre\n", "Clémence Lefèvre"),
        ("customer Wim Brandsma, born 1950-02-03, called", "Wim Brandsma"),
        ("Then Federica Bianchi said that it works.", "Federica Bianchi"), ("меня зовут Иван Петров", "Иван Петров"),
    ],
)  # fmt: skip
def test_a_name_is_found_where_words_tell_it(text: str, name: str) -> None:
    assert any(name in each for each in found(PII, text).get("PERSON", []))


@claim("guardrails.pii-sentences")
@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("It was sent to 1600 Pennsylvania Ave, Washington, DC 20500 yesterday.",
        "1600 Pennsylvania Ave, Washington, DC 20500"),
        ("Er wohnt in der Lindenstraße 12a, 10969 Berlin und", "Lindenstraße 12a, 10969 Berlin"),
        ("She lives at Flat 3, 17 Rosemary Close, Leeds LS7 2AB. Call her.",
        "Flat 3, 17 Rosemary Close, Leeds LS7 2AB"),
        ("rendez-vous 12 bis, rue de la Paix, 75002 Paris", "12 bis, rue de la Paix, 75002 Paris"),
        ("please visit ulica Słowackiego 33, 43-270 Rzeszów.\n", "ulica Słowackiego 33, 43-270 Rzeszów"),
        ("in Via Garibaldi, 22, 20121 Milano", "Via Garibaldi, 22, 20121 Milano"),
        ("mora na Rua Augusta, 1500, 01304-001 São Paulo", "Rua Augusta, 1500, 01304-001 São Paulo"),
    ],
)  # fmt: skip
def test_an_address_is_found_in_a_sentence(text: str, address: str) -> None:
    start = text.index(address)
    assert covers(scan(PII, text), "ADDRESS", start, start + len(address))


@claim("guardrails.pii-sentences")
def test_known_names_count_everywhere_only_when_asked_for() -> None:
    text = "The patch by Martina Navarro was merged."
    assert "PERSON" not in found(PII, text)
    assert found(Pii({"names_in_prose": True}), text)["PERSON"] == ["Martina Navarro"]


# --- disguises, settings, bounds ------------------------------------------------------------------------


@claim("guardrails.pii-views")
@pytest.mark.parametrize(
    "text",
    [
        "card \uff14\uff11\uff11\uff11 \uff11\uff11\uff11\uff11 \uff11\uff11\uff11\uff11 \uff11\uff11\uff11\uff11 ok",
        "card 4111\u200b1111\u200b1111\u200b1111 ok",
    ],
)
def test_a_card_in_look_alikes_is_found_at_its_place(text: str) -> None:
    (finding,) = [finding for finding in scan(PII, text) if finding.category == "CREDIT_CARD"]
    assert (finding.start, finding.end) == (5, len(text) - 3)
    assert finding.how


@claim("guardrails.pii-views")
def test_what_the_text_itself_shows_is_reported_once() -> None:
    text = "\uff21ngela: anna@post.example.org, 81.169.145.72"
    findings = scan(PII, text)
    assert sorted(finding.category for finding in findings) == ["EMAIL", "IP_ADDRESS"]


@claim("guardrails.pii-settings")
def test_left_out_categories_and_allowed_values_are_no_findings() -> None:
    text = "anna@corp.example and bob@Example.com at 81.169.145.72, +1 415-555-2671"
    detector = Pii({"leave_out": ["IP_ADDRESS"], "allow": ["example.com", "+1 415 555 2671"]})
    assert found(detector, text) == {"EMAIL": ["anna@corp.example"]}
    assert "EMAIL" not in found(Pii({"allow": ["anna@corp.example", "@example.com"]}), text)


@claim("guardrails.pii-settings")
@pytest.mark.parametrize(
    "config",
    [{"leave_out": ["NAMES"]}, {"locales": ["DEU"]}, {"locales": "DE"}, {"allow": [1]}, {"names_in_prose": "yes"}],
)
def test_a_setting_that_cannot_be_meant_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Pii(config)


@claim("guardrails.pii-settings")
def test_the_detector_is_registered_with_categories_that_data_knows() -> None:
    assert find("pii") is Pii
    assert set(TYPES) == set(CATEGORIES) == set(Pii.categories)
    assert types_of("secrets", "JWT") == ("SECRET",)


@claim("guardrails.pii-settings")
def test_the_gateway_s_own_tokens_are_no_findings() -> None:
    text = '{"customer": {"name": "<<PERSON_4f0c91ab7d2e>>", "phone": "<<PHONE_7d2e4f0c91ab>>"}}'
    assert found(PII, text) == {}


@claim("guardrails.pii-linear")
@pytest.mark.parametrize(
    "unit",
    [
        "4111 1111 1111 1111 ", "name: ", '{"name":"Bob Smith",', '{"name":"Bob Smith"},', "a@", "a@b.co ",
        "+1415555267 ",
        "Bob Smith ", "customer ", "call me on ",
        "insert into a (name) values (", '"name": ["a", ', "name,email\n", "{", "[",
        "1234567890", "abcdef0123456789", "BEGIN:VCARD\nFN:x\n", "From: a b <a@b.co>,\n", "visit 1 Main ",
        "phone \u00dc ",
    ],
)  # fmt: skip
def test_any_text_takes_time_in_proportion(unit: str) -> None:
    def scanning(size: int) -> Work:
        text = unit * (size // len(unit))
        return lambda: scan(PII, text)

    assert_in_proportion(scanning, 20_000)


@claim("guardrails.pii-linear")
def test_any_characters_are_read() -> None:
    rng = random.Random(8)
    for _ in range(200):
        text = "".join(chr(rng.choice([rng.randrange(32, 127), rng.randrange(0xD800, 0xE000), rng.randrange(0x2FFF)]))
                       for _ in range(60))  # fmt: skip
        for finding in scan(PII, f"{text} name: {text} anna@post.org"):
            assert 0 <= finding.start < finding.end <= len(text) * 2 + 21


@claim("guardrails.pii-linear")
def test_places_count_characters_whatever_stands_before() -> None:
    reading = Reading("é\U0001f600\ud800 4x4 \u65e5 44")
    assert [reading.text[start:end] for start, end in reading.find(pattern(r"\d+"))] == ["4", "4", "44"]
    assert [start for start, _ in reading.find(pattern(r"\d"), 5)] == [6, 10, 11]
    assert reading.places(b"4") == [4, 6, 10, 11]
    assert reading.follows(pattern(r"\d+"), 10) == 12


@claim("guardrails.pii-linear")
def test_of_overlapping_hits_the_surest_stays() -> None:
    hits = [Hit("PHONE", 0, 10, 0.6), Hit("IBAN", 5, 20, 0.9), Hit("PERSON", 30, 40, 0.5), Hit("PERSON", 32, 36, 0.8)]
    assert settle(hits) == [Hit("IBAN", 5, 20, 0.9), Hit("PERSON", 30, 40, 0.8)]
