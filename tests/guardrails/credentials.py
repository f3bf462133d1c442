"""Credentials made up for tests: each vendor's form filled with random characters, and texts that carry them."""

from __future__ import annotations

import base64
import json
import random
import string
import uuid
from collections.abc import Callable

Random = random.Random
_ALNUM = string.ascii_letters + string.digits
_HEX = "0123456789abcdef"
_WORD = _ALNUM + "_-"


def some(rng: Random, length: int, alphabet: str = _ALNUM) -> str:
    return "".join(rng.choice(alphabet) for _ in range(length))


def _b64(rng: Random, length: int, padding: str = "") -> str:
    return some(rng, length, _ALNUM + "+/") + padding


def _encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _jwt(rng: Random) -> str:
    header = _encoded({"alg": "HS256", "typ": "JWT"})
    return f"{header}.{_encoded({'sub': some(rng, 8), 'iat': rng.randrange(10**9)})}.{some(rng, 43, _WORD)}"


def _uuid(rng: Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def _pem(rng: Random) -> str:
    body = "\n".join(_b64(rng, 64) for _ in range(6))
    kind = rng.choice(["RSA ", "EC ", "OPENSSH ", "", "ENCRYPTED "])
    return f"-----BEGIN {kind}PRIVATE KEY-----\n{body}\n-----END {kind}PRIVATE KEY-----"


# By category, after the vendors' documentation of their tokens' forms.
VENDORS: dict[str, list[Callable[[Random], str]]] = {
    "AWS_ACCESS_KEY": [
        lambda rng: "AKIA" + some(rng, 16, string.ascii_uppercase + "234567"),
        lambda rng: "ASIA" + some(rng, 16, string.ascii_uppercase + string.digits),
    ],
    "GITHUB_TOKEN": [
        lambda rng: rng.choice(["ghp_", "gho_", "ghu_", "ghs_", "ghr_"]) + some(rng, 36),
        lambda rng: f"github_pat_{some(rng, 22)}_{some(rng, 59)}",
    ],
    "GITLAB_TOKEN": [
        lambda rng: rng.choice(["glpat-", "gldt-", "glrt-", "glptt-"]) + some(rng, 20, _WORD.replace("-", "")),
        lambda rng: f"glpat-{some(rng, 51)}.01.{some(rng, 9, string.digits + string.ascii_lowercase)}",
    ],
    "SLACK_TOKEN": [
        lambda rng: f"xoxb-{some(rng, 12, string.digits)}-{some(rng, 12, string.digits)}-{some(rng, 24)}",
        lambda rng: (
            f"xoxp-{some(rng, 11, string.digits)}-{some(rng, 12, string.digits)}-{some(rng, 13, string.digits)}"
            f"-{some(rng, 32, _HEX)}"
        ),
        lambda rng: (
            f"xapp-1-A{some(rng, 10, string.ascii_uppercase)}-{some(rng, 13, string.digits)}-{some(rng, 64, _HEX)}"
        ),
    ],
    "SLACK_WEBHOOK": [
        lambda rng: (
            f"https://hooks.slack.com/services/T{some(rng, 8, string.ascii_uppercase)}"
            f"/B{some(rng, 10, string.ascii_uppercase)}/{some(rng, 24)}"
        )
    ],
    "DISCORD_WEBHOOK": [
        lambda rng: f"https://discord.com/api/webhooks/{some(rng, 18, '123456789')}/{some(rng, 68, _ALNUM)}"
    ],
    "DISCORD_TOKEN": [lambda rng: f"M{some(rng, 25)}.{some(rng, 6)}.{some(rng, 38)}"],
    "STRIPE_KEY": [
        lambda rng: rng.choice(["sk_live_", "sk_test_", "rk_live_"]) + some(rng, 24),
        lambda rng: "sk_live_51" + some(rng, 97),
        lambda rng: "whsec_" + some(rng, 32),
    ],
    "OPENAI_KEY": [
        lambda rng: f"sk-{some(rng, 20)}T3BlbkFJ{some(rng, 20)}",
        lambda rng: f"sk-proj-{some(rng, 74, _WORD)}T3BlbkFJ{some(rng, 74)}",
        lambda rng: "sk-proj-" + some(rng, 48),
    ],
    "ANTHROPIC_KEY": [lambda rng: f"sk-ant-api03-{some(rng, 93, _WORD)}AA"],
    "OPENROUTER_KEY": [lambda rng: "sk-or-v1-" + some(rng, 64, _HEX)],
    "GROQ_KEY": [lambda rng: "gsk_" + some(rng, 52)],
    "HUGGINGFACE_TOKEN": [lambda rng: "hf_" + some(rng, 34, string.ascii_letters)],
    "REPLICATE_TOKEN": [lambda rng: "r8_" + some(rng, 37)],
    "GOOGLE_API_KEY": [lambda rng: "AIza" + some(rng, 34, _WORD) + some(rng, 1)],
    "GOOGLE_OAUTH": [
        lambda rng: "GOCSPX-" + some(rng, 27, _WORD) + some(rng, 1),
        lambda rng: "ya29." + some(rng, 120),
    ],
    "AZURE_STORAGE_KEY": [
        lambda rng: (
            f"DefaultEndpointsProtocol=https;AccountName={some(rng, 8, string.ascii_lowercase)};AccountKey="
            + _b64(rng, 86, "==")
        )
    ],
    "AZURE_CLIENT_SECRET": [lambda rng: some(rng, 3) + "8Q~" + some(rng, 33) + some(rng, 1)],
    "NPM_TOKEN": [lambda rng: "npm_" + some(rng, 36)],
    "PYPI_TOKEN": [lambda rng: "pypi-AgEIcHlwaS5vcmc" + some(rng, 140, _ALNUM)],
    "RUBYGEMS_KEY": [lambda rng: "rubygems_" + some(rng, 48, _HEX)],
    "DOCKER_TOKEN": [lambda rng: "dckr_pat_" + some(rng, 27)],
    "SENDGRID_KEY": [lambda rng: f"SG.{some(rng, 22)}.{some(rng, 43)}"],
    "MAILGUN_KEY": [lambda rng: "key-" + some(rng, 32, _HEX)],
    "MAILCHIMP_KEY": [lambda rng: some(rng, 32, _HEX) + "-us" + str(rng.randrange(1, 22))],
    "TWILIO_KEY": [lambda rng: "SK" + some(rng, 32, _HEX)],
    "TELEGRAM_BOT_TOKEN": [lambda rng: f"{rng.randrange(10**9, 10**10)}:AA{some(rng, 33)}"],
    "SHOPIFY_TOKEN": [lambda rng: rng.choice(["shpat_", "shpss_"]) + some(rng, 32, _HEX)],
    "DATABRICKS_TOKEN": [lambda rng: "dapi" + some(rng, 32, _HEX)],
    "DIGITALOCEAN_TOKEN": [lambda rng: "dop_v1_" + some(rng, 64, _HEX)],
    "VAULT_TOKEN": [lambda rng: "hvs." + some(rng, 90), lambda rng: "hvb." + some(rng, 140)],
    "TERRAFORM_TOKEN": [lambda rng: f"{some(rng, 14)}.atlasv1.{some(rng, 67)}"],
    "LINEAR_KEY": [lambda rng: "lin_api_" + some(rng, 40)],
    "NOTION_TOKEN": [lambda rng: "secret_" + some(rng, 43), lambda rng: "ntn_" + some(rng, 46)],
    "AIRTABLE_TOKEN": [lambda rng: f"pat{some(rng, 14)}.{some(rng, 64, _HEX)}"],
    "ATLASSIAN_TOKEN": [lambda rng: "ATATT3xFfGF0" + some(rng, 180)],
    "FIGMA_TOKEN": [lambda rng: "figd_" + some(rng, 40)],
    "SQUARE_TOKEN": [lambda rng: "sq0csp-" + some(rng, 43)],
    "SENTRY_TOKEN": [lambda rng: "sntryu_" + some(rng, 64, _HEX)],
    "GRAFANA_TOKEN": [lambda rng: f"glsa_{some(rng, 32)}_{some(rng, 8, _HEX)}"],
    "NEWRELIC_KEY": [lambda rng: "NRAK-" + some(rng, 27, string.ascii_uppercase + string.digits)],
    "DOPPLER_TOKEN": [lambda rng: "dp.pt." + some(rng, 43)],
    "POSTMAN_KEY": [lambda rng: f"PMAK-{some(rng, 24, _HEX)}-{some(rng, 34, _HEX)}"],
    "HUBSPOT_TOKEN": [lambda rng: "pat-na1-" + _uuid(rng)],
    "AGE_KEY": [lambda rng: "AGE-SECRET-KEY-1" + some(rng, 58, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L")],
    "GATEWAY_KEY": [lambda rng: rng.choice(["mgw_", "mga_"]) + some(rng, 10) + "_" + some(rng, 49)],
    "JWT": [_jwt],
    "PRIVATE_KEY": [_pem],
    "CONNECTION_STRING": [
        lambda rng: f"postgres://app:{some(rng, 16)}@db.internal:5432/shop",
        lambda rng: f"mongodb+srv://svc_user:{some(rng, 20)}@cluster0.ab1cd.mongodb.net/?retryWrites=true",
        lambda rng: f"redis://:{some(rng, 24)}@cache:6379/0",
        lambda rng: f"amqps://worker:{some(rng, 14)}@mq.corp.net/vhost",
    ],
    "BASIC_AUTH_URL": [lambda rng: f"https://deploy:{some(rng, 18)}@git.corp.net/team/app.git"],
}
# Assigned to a name that says what they are. The first of each pair is such a name.
NAMED: dict[str, list[tuple[str, Callable[[Random], str]]]] = {
    "AWS_SECRET_KEY": [
        ("aws_secret_access_key", lambda rng: some(rng, 40, _ALNUM + "+/")),
        ("AWS_SECRET_ACCESS_KEY", lambda rng: some(rng, 40)),
    ],
    "PASSWORD": [
        ("password", lambda rng: some(rng, 12) + "7!"),
        ("DB_PASSWORD", lambda rng: some(rng, 16) + "3"),
        ("adminPassword", lambda rng: f"{some(rng, 5, string.ascii_uppercase)}-{some(rng, 5, string.digits)}_x"),
        ("smtp_pwd", lambda rng: some(rng, 10) + "9a"),
    ],
    "API_KEY": [
        ("api_key", lambda rng: some(rng, 32, _HEX)),
        ("X-Api-Key", lambda rng: some(rng, 40)),
        ("apiKey", lambda rng: some(rng, 24) + "1a"),
    ],
    "SECRET": [
        ("client_secret", lambda rng: some(rng, 36) + "4f"),
        ("auth_token", lambda rng: some(rng, 32, _HEX)),
        ("JWT_SECRET", lambda rng: some(rng, 48) + "0z"),
        ("accessToken", lambda rng: some(rng, 40)),
    ],
}


def carriers(token: str) -> list[tuple[str, str]]:
    """Texts that carry a token, by what kind of text it is. The token stands in each as it is."""
    text = [
        ("alone", token),
        ("prose", f"Please use {token} for the deployment, and tell nobody."),
        ("markdown", f"Run it with `{token}` set."),
        ("json", '{"id": 7, "config": {"value": ' + json.dumps(token) + "}}"),
        ("json in json", json.dumps({"body": json.dumps({"value": token})})),
        ("yaml", f"service:\n  value: {token}\n  replicas: 2\n" if "\n" not in token else token),
        ("env", f"PORT=8080\nVALUE={token}\nDEBUG=0\n"),
        ("code", f'client = Client("{token}")\nclient.start()\n' if "\n" not in token else f'KEY = """{token}"""\n'),
        ("log", f"2026-01-02T03:04:05Z INFO request value={token} status=200\n"),
        ("csv", f"id,value\n1,{token}\n2,none\n" if "\n" not in token else token),
    ]
    if "://" not in token and "\n" not in token:
        text.append(("url", f"https://api.service.io/v1/items?limit=5&value={token}&page=2"))
    return text


def assignments(name: str, value: str) -> list[tuple[str, str]]:
    """Texts that give a value to a name."""
    return [
        ("json", json.dumps({"user": "app", name: value, "port": 5432})),
        ("json in json", json.dumps({"body": json.dumps({name: value})})),
        ("yaml", f"database:\n  {name}: {value}\n  port: 5432\n"),
        ("quoted yaml", f"  {name}: '{value}'\n"),
        ("env", f"HOST=db\n{name}={value}\nPORT=1\n"),
        ("quoted env", f'export {name}="{value}"\n'),
        ("python", f'{name} = "{value}"\n'),
        ("toml", f"[db]\n{name} = '{value}'\n"),
        ("php", f"'{name}' => '{value}',\n"),
        ("log", f"level=info user=app {name}={value} ok=true\n"),
        ("query", f"grant=x&{name}={value}&scope=all"),
        ("xml", f"<config><{name}>{value}</{name}></config>"),
        ("header", f"{name}: {value}\r\nAccept: */*\r\n"),
    ]
