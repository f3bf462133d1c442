"""Credentials are found in every kind of text, and what only stands for one is not."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

import pytest

from guardrails.detectors.secrets import Secrets
from guardrails.engine.detector import ConfigError, find
from tests.growth import Work, assert_in_proportion
from tests.guardrails.credentials import NAMED, VENDORS, assignments, carriers, some
from tests.guardrails.detecting import covers, found, scan, scan_value

claim = pytest.mark.claim
SECRETS = Secrets({})


@claim("guardrails.secrets-vendors")
@pytest.mark.parametrize("category", sorted(VENDORS))
def test_a_vendor_s_credential_is_found_in_every_kind_of_text(category: str) -> None:
    rng = random.Random(category)
    for make in VENDORS[category]:
        for _ in range(5):
            token = make(rng)
            for how, text in carriers(token):
                assert category in {finding.category for finding in scan(SECRETS, text)}, (how, text)


@claim("guardrails.secrets-vendors")
def test_a_token_is_found_with_its_exact_place() -> None:
    token = VENDORS["GITHUB_TOKEN"][0](random.Random(2))
    (finding,) = scan(SECRETS, f"é ü GH={token}, and more")
    assert (finding.start, finding.end) == (7, 7 + len(token))


@claim("guardrails.secrets-vendors")
def test_a_private_key_is_found_whole() -> None:
    key = VENDORS["PRIVATE_KEY"][0](random.Random(3))
    assert found(SECRETS, f"before\n{key}\nafter") == {"PRIVATE_KEY": [key]}
    assert "PRIVATE_KEY" in found(SECRETS, json.dumps({"key": key}))


@claim("guardrails.secrets-vendors")
@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer {0}", '{{"authorization": "Bearer {0}"}}',
        "curl -H 'Authorization: Bearer {0}' https://x.io",
        "headers = {{'Authorization': 'Bearer {0}'}}",
    ],
)  # fmt: skip
def test_a_token_in_an_authorization_header_is_found(text: str) -> None:
    rng = random.Random(4)
    for _ in range(20):
        token = some(rng, 40) + "7b"
        written = text.format(token)
        start = written.index(token)
        assert covers(scan(SECRETS, written), "AUTHORIZATION", start, start + len(token)), written


@claim("guardrails.secrets-vendors")
def test_credentials_of_basic_authentication_are_found() -> None:
    value = base64.b64encode(b"deploy:q7Rw9pLx2").decode()
    assert found(SECRETS, f"Authorization: Basic {value}") == {"AUTHORIZATION": [value]}
    assert found(SECRETS, "Authorization: Basic dGhlIHF1aWNrIGJyb3duIGZveA==") == {}


@claim("guardrails.secrets-named")
@pytest.mark.parametrize("category", sorted(NAMED))
def test_a_value_whose_name_calls_it_secret_is_found_in_every_form(category: str) -> None:
    rng = random.Random(category)
    lost, total = [], 0
    for name, make in NAMED[category]:
        for _ in range(20):
            value = make(rng)
            for how, text in assignments(name, value):
                start, total = text.index(value), total + 1
                findings = scan(SECRETS, text)
                if not any(covers(findings, finding.category, start, start + len(value)) for finding in findings):
                    lost.append((how, text))
    assert len(lost) <= 0.02 * total, lost[:3]


@claim("guardrails.secrets-named")
@pytest.mark.parametrize("key", ["password", "db_password", "adminPassword", "passphrase", "Kennwort", "contraseña"])
def test_a_password_is_found_by_the_member_that_holds_it(key: str) -> None:
    (finding,) = scan_value(SECRETS, {"login": {"user": "bob", key: "correct-horse"}})
    assert finding.category == "PASSWORD"
    assert finding.pointer == f"/login/{key}"


@claim("guardrails.secrets-named")
@pytest.mark.parametrize(
    ("text", "password"),
    [
        ("curl -u admin:Sup3rS3cr! https://api.example.com", "Sup3rS3cr!"),
        ("curl -s --user 'svc:b7Kq2mW9' https://api.example.com", "b7Kq2mW9"),
        ("mysql -uroot -pQ7xtP99wz prod", "Q7xtP99wz"), ("sshpass -p Xy12zW34 ssh ada@host", "Xy12zW34"),
        ("PGPASSWORD=b7Kq2mW9 psql -h db", "b7Kq2mW9"),
    ],
)  # fmt: skip
def test_a_password_on_a_command_line_is_found(text: str, password: str) -> None:
    assert found(SECRETS, text) == {"PASSWORD": [password]}


@claim("guardrails.secrets-shams")
@pytest.mark.parametrize(
    "text",
    [
        "curl -u user:password https://api.example.com", "curl -u $USER:$TOKEN https://api.example.com",
        "mysql -u root -p prod", "sshpass -p <password> ssh host", "mysql -h db -P3306 prod",
        "password: your-password", "API_KEY=your-api-key-here", "token = os.environ['GITHUB_TOKEN']",
        "password=${DB_PASSWORD}",
        'password = "{{ vault_password }}"', "secret: <your secret>", "TOKEN=xxxxxxxxxxxxxxxxxxxx",
        "AKIAIOSFODNN7EXAMPLE",
        "api_key: sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "postgres://user:password@localhost/db",
        "https://user:pass@host.io/",
        "password=changeme", "auth_token = get_token(request)", "self.password = password",
        "password: str | None = None",
        "secret = settings.SECRET_KEY", "tokenizer: bert-base-uncased-v1", "max_tokens: 4096",
        "next_page_token: CAUQAA1b2c3d4e5f6a7b8c",
        "token_type: bearer", "public_key = MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A1234", "Bearer <token>",
        "Authorization: Bearer $TOKEN",
        "The password must have 12 characters and 1 digit.", 'print("Enter password: ")',
        "password_hash = bcrypt.hashpw(pw, salt)",
        '"integrity": "sha512-v2kDEe57lecTulaDIuNTPy3Ry4gLGJ6Z1O3vE1krgXZNrsQ+LFTGHVxVjcXPs17LhbZVGedAJv8XZ1tvj5Fv=="',
        "commit 9497f4470b9497f4470b9497f4470b9497f4470b", "id: a1c4814e-3bb9-4ccc-a828-bacdf4a4f3c8",
        "key: value", "--token TOKEN",
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----", "ghp_short",
        "eyJub3QiOiJqd3QifQ.eyJhIjoxfQ.x", "sk-learn-contrib-package-name",
        "PASSWORD_MIN_LENGTH=12345678", "csrf_token: abc123def456ghi789jkl012",
        "secret_name: projects/p1/secrets/db-1", "redis://localhost:6379/0",
        "s3://access_key_id:secret_access_key@bucket/key", "token: ${{ secrets.GITHUB_TOKEN }}",
        "<password>string</password>",
    ],
)  # fmt: skip
def test_what_stands_for_a_secret_is_none(text: str) -> None:
    assert scan(SECRETS, text) == []


@claim("guardrails.secrets-shams")
@pytest.mark.parametrize("value",
[{"password": "string"}, {"token": "required"}, {"password": "********"}, {"api_key": None},
                                   {"secret": "the name of the secret there"}, {"password": "${PW}"}])  # fmt: skip
def test_a_member_that_describes_a_secret_holds_none(value: Any) -> None:
    assert scan_value(SECRETS, value) == []


@claim("guardrails.pii-views")
def test_a_secret_of_kubernetes_is_found_behind_its_encoding() -> None:
    token = VENDORS["GITLAB_TOKEN"][0](random.Random(6))
    encoded = base64.b64encode(token.encode()).decode()
    text = f"apiVersion: v1\nkind: Secret\ndata:\n  entry: {encoded}\n"
    findings = [finding for finding in scan(SECRETS, text) if finding.category == "GITLAB_TOKEN"]
    assert findings
    assert text[findings[0].start : findings[0].end].strip() == encoded
    assert "base64" in findings[0].how


@claim("guardrails.pii-views")
@pytest.mark.parametrize("how", ["percent", "hex", "base64 in json"])
def test_a_token_is_found_behind_other_encodings(how: str) -> None:
    token = VENDORS["CONNECTION_STRING"][0](random.Random(7))
    text = {
        "percent": "u=" + "".join(f"%{each:02X}" for each in token.encode()),
        "hex": token.encode().hex(),
        "base64 in json": json.dumps({"blob": base64.b64encode(json.dumps({"url": token}).encode()).decode()}),
    }[how]
    assert "CONNECTION_STRING" in {finding.category for finding in scan(SECRETS, text)}


@claim("guardrails.pii-settings")
def test_allowed_values_and_named_values_can_be_left_out() -> None:
    token = VENDORS["STRIPE_KEY"][0](random.Random(9))
    assert found(Secrets({"allow": [token]}), f"key {token} end") == {}
    text = f"password: q7Rw9pLx2 {token}"
    assert list(found(Secrets({"named_values": False}), f"password=q7Rw9pLx2\n{token}")) == ["STRIPE_KEY"], text


@claim("guardrails.pii-settings")
@pytest.mark.parametrize("config", [{"allow": "x"}, {"named_values": 1}])
def test_a_setting_that_cannot_be_meant_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Secrets(config)


@claim("guardrails.pii-settings")
def test_the_detector_is_registered_with_all_its_categories() -> None:
    assert find("secrets") is Secrets
    assert set(VENDORS) | set(NAMED) | {"AUTHORIZATION"} <= set(Secrets.categories)


@claim("guardrails.pii-linear")
@pytest.mark.parametrize(
    "unit", ["password=", "password: Abc12345\n", "eyJ", "sk-", "AKIA", "xoxb-", "http://a:b", "abcdef0123456789",
    "Bearer ", "MNO.",
             "-----BEGIN PRIVATE KEY-----\n", "aws_secret_access_key ", "secret_", "glpat-", '"token":"']
)  # fmt: skip
def test_any_text_takes_time_in_proportion(unit: str) -> None:
    def scanning(size: int) -> Work:
        text = unit * (size // len(unit))
        return lambda: scan(SECRETS, text)

    assert_in_proportion(scanning, 20_000)
