"""What credentials look like: the forms that vendors gave them, and the judgement of values that are called secret."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from guardrails.language.words import word_set
from guardrails.pii.reading import pattern


class Form(NamedTuple):
    """One kind of credential. `hint` is a part that every one of them has, in lower case."""

    category: str
    hint: str
    shape: str
    check: Callable[[str], bool] | None = None


def entropy(text: str) -> float:
    """Bits for each character (Shannon, 1948), by how often characters occur."""
    if not text:
        return 0.0
    length = len(text)
    return -sum(count / length * math.log2(count / length) for count in Counter(text).values())


_SHAM = (
    "example", "xxxx", "your", "placeholder", "changeme", "change_me", "change-me", "dummy", "redacted", "insert",
    "replace", "....", "****", "{{", "${", "$(", "%(", "fake", "sample", "abcdefgh", "12345678901234567890", "aaaaaaaa",
    "00000000", "11111111", "deadbeefdeadbeef", "_here", "-here", "todo", "foobar", "notreal", "not_real", "not-a-real",
    "my_secret", "my-secret", "mysecret", "secretkey", "secret-key", "secret_key", "api_key", "api-key", "apikey",
    "token_",
    "password", "fixme", "undefined", "lorem", "anything", "whatever", "ellipsis", "1234abcd", "\u2026",
)  # fmt: skip


def is_sham(text: str) -> bool:
    """Whether it stands for a value rather than being one."""
    lowered = text.lower()
    return any(each in lowered for each in _SHAM)


def _is_random(token: str) -> bool:
    """Of what follows a vendor's prefix: neither a sham nor a row of like characters."""
    lowered = token.lower()
    if any(each in lowered for each in ("example", "xxxxx", "your", "....", "abcdefghij", "placeholder", "redacted")):
        return False
    body = token[4:] if len(token) > 12 else token
    return len(set(body)) >= 6 and entropy(body) >= 2.4


def _is_mixed(token: str) -> bool:
    """Random, with digits among letters: what a word with the same beginning does not have."""
    body = token[3:]
    return _is_random(token) and any(each.isdigit() for each in body) and any(each.isalpha() for each in body)


def is_jwt(token: str) -> bool:
    """RFC 7519: the first part is a JSON object with an algorithm."""
    head = decode_base64(token.split(".", 1)[0])
    try:
        header = json.loads(head) if head is not None else None
    except ValueError:
        return False
    return isinstance(header, dict) and ("alg" in header or "typ" in header or "kid" in header)


def decode_base64(text: str) -> bytes | None:
    """Of either alphabet, padded or not."""
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


_HEX, _WORD = "[0-9a-f]", r"[0-9A-Za-z_\-]"
FORMS: tuple[Form, ...] = (
    Form("AWS_ACCESS_KEY", "a", r"A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}", _is_random),
    Form("AWS_BEDROCK_KEY", "absk", r"ABSK[A-Za-z0-9+/]{100,}={0,2}", _is_random),
    Form("GITHUB_TOKEN", "gh", r"gh[pousr]_[A-Za-z0-9]{30,}", _is_random),
    Form("GITHUB_TOKEN", "github_pat_", r"github_pat_[A-Za-z0-9_]{22,}", _is_random),
    Form("GITLAB_TOKEN", "gl",
         rf"gl(?:pat|oas|dt|rt|rtr|cbt|ptt|ft|imt|agent|soat"
         rf"|ffct)-{_WORD}{{20,}}(?:\.[0-9a-z]{{2}}\.[0-9a-z]{{7,9}})?", _is_random),
    Form("SLACK_TOKEN", "xox", r"xox[abcoprse](?:\.xox[bp])?-[0-9A-Za-z]{1,64}(?:-[0-9A-Za-z]{1,}){1,6}", _is_mixed),
    Form("SLACK_TOKEN", "xapp-", r"xapp-\d-[A-Z0-9]{8,16}-\d{8,16}-[0-9a-f]{32,}", _is_random),
    Form("SLACK_WEBHOOK", "hooks.slack",
         r"https://hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/[A-Za-z0-9/_\-]{20,}", _is_random),
    Form("DISCORD_WEBHOOK", "webhooks",
         rf"https://(?:[a-z]+\.)?discord(?:app)?\.com/api/(?:v\d+/)?webhooks/\d{{15,20}}/{_WORD}{{50,90}}", _is_random),
    Form("TEAMS_WEBHOOK", "webhook",
         r"https://[a-z0-9\-]+\.webhook\.office\.com/webhookb2/[A-Za-z0-9@\-/]{60,}", _is_random),
    Form("DISCORD_TOKEN", ".", rf"[MNO][A-Za-z0-9]{{23,28}}\.[A-Za-z0-9_\-]{{6}}\.{_WORD}{{27,40}}", _is_mixed),
    Form("STRIPE_KEY", "_", r"(?:sk|rk)_(?:live|test|prod)_[0-9A-Za-z]{16,}", _is_random),
    Form("STRIPE_KEY", "whsec_", r"whsec_[0-9A-Za-z+/=]{24,64}", _is_random),
    Form("ANTHROPIC_KEY", "sk-ant-", rf"sk-ant-(?:[a-z]{{2,6}}\d{{2}}-)?{_WORD}{{20,}}", _is_random),
    Form("OPENROUTER_KEY", "sk-or-", r"sk-or-v1-[0-9a-f]{40,80}", _is_random),
    Form("LANGFUSE_KEY", "sk-lf-", r"sk-lf-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", _is_random),
    Form("OPENAI_KEY", "sk-", rf"sk-(?:proj|svcacct|admin|None|service)-{_WORD}{{20,}}", _is_random),
    Form("OPENAI_KEY", "sk-", r"sk-[A-Za-z0-9]{32,64}", _is_mixed),
    Form("GROQ_KEY", "gsk_", r"gsk_[A-Za-z0-9]{40,60}", _is_random),
    Form("XAI_KEY", "xai-", r"xai-[A-Za-z0-9]{60,}", _is_random),
    Form("PERPLEXITY_KEY", "pplx-", r"pplx-[A-Za-z0-9]{40,60}", _is_random),
    Form("REPLICATE_TOKEN", "r8_", r"r8_[A-Za-z0-9]{37,40}", _is_random),
    Form("HUGGINGFACE_TOKEN", "hf_", r"hf_[A-Za-z0-9]{30,40}", _is_random),
    Form("HUGGINGFACE_TOKEN", "api_org_", r"api_org_[A-Za-z]{34}", _is_random),
    Form("NVIDIA_KEY", "nvapi-", rf"nvapi-{_WORD}{{50,90}}", _is_random),
    Form("LANGSMITH_KEY", "lsv2_", r"lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}", _is_random),
    Form("PINECONE_KEY", "pcsk_", r"pcsk_[A-Za-z0-9]{5,8}_[A-Za-z0-9]{50,70}", _is_random),
    Form("TAVILY_KEY", "tvly-", rf"tvly-(?:dev-)?{_WORD}{{28,50}}", _is_mixed),
    Form("GOOGLE_API_KEY", "aiza", rf"AIza{_WORD}{{35}}", _is_random),
    Form("GOOGLE_OAUTH", "gocspx-", rf"GOCSPX-{_WORD}{{28}}", _is_random),
    Form("GOOGLE_OAUTH", "ya29.", rf"ya29\.{_WORD}{{30,}}", _is_random),
    Form("GOOGLE_OAUTH", "1//0", rf"1//0{_WORD}{{40,}}", _is_random),
    Form("AZURE_STORAGE_KEY", "accountkey=", r"AccountKey=[A-Za-z0-9+/]{80,90}={0,2}", _is_random),
    Form("AZURE_SHARED_KEY", "sharedaccesskey=", r"SharedAccessKey=[A-Za-z0-9+/]{40,60}={0,2}", _is_random),
    Form("AZURE_CLIENT_SECRET", "q~", r"[A-Za-z0-9_~.\-]{3}\dQ~[A-Za-z0-9_~.\-]{31,34}", _is_random),
    Form("AZURE_API_KEY", "jqqj", r"[A-Za-z0-9]{52}JQQJ9[0-9D][A-Za-z0-9]{20,32}", _is_random),
    Form("AZURE_SAS", "sig=", r"[?&](?:sv|se|sp|sr)=[^\s\"'<>]{4,}&sig=[A-Za-z0-9%+/]{40,80}(?:%3D|=)", _is_random),
    Form("NPM_TOKEN", "npm_", r"npm_[A-Za-z0-9]{36}", _is_random),
    Form("PYPI_TOKEN", "pypi-", rf"pypi-AgE{_WORD}{{50,}}", _is_random),
    Form("RUBYGEMS_KEY", "rubygems_", r"rubygems_[0-9a-f]{48}", _is_random),
    Form("NUGET_KEY", "oy2", r"oy2[a-z0-9]{43}", _is_mixed),
    Form("CRATES_TOKEN", "cio", r"cio[A-Za-z0-9]{32}", _is_mixed),
    Form("DOCKER_TOKEN", "dckr_", rf"dckr_(?:pat|oat)_{_WORD}{{27,60}}", _is_random),
    Form("SENDGRID_KEY", "sg.", rf"SG\.{_WORD}{{16,32}}\.{_WORD}{{16,64}}", _is_random),
    Form("MAILGUN_KEY", "key-", r"key-[0-9a-f]{32}", _is_mixed),
    Form("MAILCHIMP_KEY", "-us", r"[0-9a-f]{32}-us\d{1,2}", _is_random),
    Form("BREVO_KEY", "xkeysib-", r"xkeysib-[0-9a-f]{64}-[A-Za-z0-9]{16}", _is_random),
    Form("RESEND_KEY", "re_", r"re_[A-Za-z0-9]{8}_[A-Za-z0-9]{24}", _is_mixed),
    Form("TWILIO_KEY", "sk", r"SK[0-9a-f]{32}", _is_random),
    Form("TELEGRAM_BOT_TOKEN", ":a", rf"\d{{8,10}}:AA{_WORD}{{32,34}}", _is_random),
    Form("SHOPIFY_TOKEN", "shp", r"shp(?:at|ca|pa|ss|ua)_[0-9a-fA-F]{32}", _is_random),
    Form("DATABRICKS_TOKEN", "dapi", r"dapi[0-9a-f]{32}(?:-\d)?", _is_random),
    Form("DIGITALOCEAN_TOKEN", "_v1_", r"do[opr]_v1_[0-9a-f]{64}", _is_random),
    Form("VAULT_TOKEN", "hv", rf"hv[sbr]\.{_WORD}{{24,}}", _is_random),
    Form("TERRAFORM_TOKEN", ".atlasv1.", rf"[A-Za-z0-9]{{14}}\.atlasv1\.{_WORD}{{60,70}}", _is_random),
    Form("HEROKU_KEY", "hrku-", rf"HRKU-{_WORD}{{36,70}}", _is_random),
    Form("LINEAR_KEY", "lin_", r"lin_(?:api|oauth)_[A-Za-z0-9]{32,64}", _is_random),
    Form("NOTION_TOKEN", "secret_", r"secret_[A-Za-z0-9]{43}", _is_mixed),
    Form("NOTION_TOKEN", "ntn_", r"ntn_[A-Za-z0-9]{40,50}", _is_random),
    Form("AIRTABLE_TOKEN", "pat", r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}", _is_random),
    Form("ATLASSIAN_TOKEN", "at", rf"AT(?:ATT3|CTT3){_WORD}{{50,}}(?:=[0-9A-F]{{8}})?", _is_random),
    Form("BITBUCKET_TOKEN", "atbb", r"ATBB[A-Za-z0-9]{24,32}[0-9A-F]{4,8}", _is_random),
    Form("FIGMA_TOKEN", "fig", rf"fig[dour]_{_WORD}{{38,44}}", _is_random),
    Form("FACEBOOK_TOKEN", "eaa", r"EAA[A-Za-z0-9]{90,}", _is_random),
    Form("TWITTER_TOKEN", "aaaaaaaaaaaaaaaaaaaaa", r"A{20,24}[A-Za-z0-9%]{60,}", None),
    Form("SQUARE_TOKEN", "sq0", rf"sq0(?:atp|csp|idp)-{_WORD}{{22,43}}", _is_random),
    Form("SENTRY_TOKEN", "sntry", r"sntry[su]_[A-Za-z0-9+/=_]{60,}", _is_random),
    Form("GRAFANA_TOKEN", "gl", r"glc_[A-Za-z0-9+/]{32,}={0,2}", _is_random),
    Form("GRAFANA_TOKEN", "glsa_", r"glsa_[A-Za-z0-9]{32}_[0-9A-Fa-f]{8}", _is_random),
    Form("NEWRELIC_KEY", "nra", r"NRA[KA]-[A-Z0-9]{27}", _is_random),
    Form("PLANETSCALE_TOKEN", "pscale_", r"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.\-]{32,64}", _is_random),
    Form("SUPABASE_KEY", "sb", rf"(?:sbp_[0-9a-f]{{40}}|sb_secret_{_WORD}{{20,60}})", _is_random),
    Form("DOPPLER_TOKEN", "dp.",
         r"dp\.(?:pt|st|ct|sa|scim|audit)\.(?:[a-z0-9_\-]{2,35}\.)?[A-Za-z0-9]{40,44}", _is_random),
    Form("FLY_TOKEN", "fm2_", r"fm[12][ar]?_[A-Za-z0-9+/=]{80,}", _is_random),
    Form("NETLIFY_TOKEN", "nfp_", r"nfp_[A-Za-z0-9]{36,40}", _is_random),
    Form("PULUMI_TOKEN", "pul-", r"pul-[0-9a-f]{40}", _is_random),
    Form("POSTMAN_KEY", "pmak-", r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}", _is_random),
    Form("DYNATRACE_TOKEN", "dt0", r"dt0[a-z]\d{2}\.[A-Z0-9]{24}\.[A-Z0-9]{64}", _is_random),
    Form("ALIBABA_KEY", "ltai", r"LTAI[A-Za-z0-9]{12,24}", _is_mixed),
    Form("AGE_KEY", "age-secret-key-1", r"AGE-SECRET-KEY-1[0-9A-Z]{58}", _is_random),
    Form("HUBSPOT_TOKEN", "pat-", r"pat-(?:na|eu|ap)\d-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", _is_random),
    Form("TAILSCALE_KEY", "tskey-",
         r"tskey-(?:auth|api|client|scim|webhook)-[A-Za-z0-9]{8,24}-[A-Za-z0-9]{24,64}", _is_random),
    Form("PREFECT_KEY", "pn", r"pn[ub]_[A-Za-z0-9]{36}", _is_random),
    Form("SOURCEGRAPH_TOKEN", "sgp_", r"sgp_(?:[0-9a-f]{16}_|local_)?[0-9a-f]{40}", _is_random),
    Form("CIRCLECI_TOKEN", "ccipat_", r"CCIPAT_[A-Za-z0-9]{16,24}_[0-9a-f]{40}", _is_random),
    Form("BUILDKITE_TOKEN", "bkua_", r"bkua_[0-9a-f]{40}", _is_random),
    Form("CONTENTFUL_TOKEN", "cfpat-", rf"CFPAT-{_WORD}{{43}}", _is_random),
    Form("OPENSHIFT_TOKEN", "sha256~", rf"sha256~{_WORD}{{43}}", _is_random),
    Form("MAPBOX_TOKEN", "k.ey", rf"sk\.eyJ{_WORD}{{40,}}\.{_WORD}{{20,40}}", _is_random),
    Form("TYPEFORM_TOKEN", "tfp_", r"tfp_[A-Za-z0-9_.\-]{40,70}", _is_random),
    Form("EASYPOST_KEY", "ez", r"EZ[AT]K[A-Za-z0-9]{54}", _is_random),
    Form("SHIPPO_TOKEN", "shippo_", r"shippo_(?:live|test)_[0-9a-f]{40}", _is_random),
    Form("FLUTTERWAVE_KEY", "flwseck", r"FLWSECK(?:_TEST|_LIVE)?-[0-9a-zA-Z]{12,36}(?:-X)?", _is_random),
    Form("DUFFEL_TOKEN", "duffel_", rf"duffel_(?:test|live)_{_WORD}{{43}}", _is_random),
    Form("PAYPAL_TOKEN", "access_token$",
         r"access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-f]{32}", _is_random),
    Form("ONEPASSWORD_TOKEN", "ops_ey", rf"ops_eyJ{_WORD}{{200,}}", None),
    Form("CLOJARS_TOKEN", "clojars_", r"CLOJARS_[0-9a-f]{60}", _is_random),
    Form("INFRACOST_KEY", "ico-", r"ico-[A-Za-z0-9]{32}", _is_mixed),
    Form("README_KEY", "rdme_", r"rdme_[a-z0-9]{70}", _is_random),
    Form("GATEWAY_KEY", "mg", r"mg[wa]_[0-9A-Za-z]{10}_[0-9A-Za-z]{49}", _is_random),
    Form("JWT", "eyj", rf"eyJ{_WORD}{{8,}}\.{_WORD}{{4,}}(?:\.{_WORD}{{0,}}){{1,3}}", is_jwt),
)  # fmt: skip
_NAMED_HERE = (
    "AWS_SECRET_KEY", "PRIVATE_KEY", "CONNECTION_STRING", "BASIC_AUTH_URL", "AUTHORIZATION", "PASSWORD",
    "API_KEY", "SECRET",
)  # fmt: skip
CATEGORIES: tuple[str, ...] = (*dict.fromkeys(form.category for form in FORMS), *_NAMED_HERE)


@lru_cache(maxsize=1)
def vendors() -> Any:
    """All forms in one expression. A form begins a word, or stands behind an escape, which `unescaped` takes off."""
    beginnings = r"(?:\b|\\[nrtbf]|\\u[0-9a-fA-F]{4}|%[0-9A-Fa-f]{2}|[?&])"
    return pattern(beginnings + "(?:" + "|".join(form.shape.removeprefix("[?&]") for form in FORMS) + ")")


def unescaped(token: str) -> int:
    """How many characters before the form itself belong to an escape."""
    if token[0] == "\\":
        return 6 if token[1] == "u" else 2
    return 3 if token[0] == "%" else 0


@lru_cache(maxsize=1)
def _shapes() -> tuple[tuple[Form, Any], ...]:
    return tuple((form, pattern(form.shape)) for form in FORMS)


def category_of(token: str) -> str:
    """Of what `vendors` found; "" for something that only looks like it."""
    data, lowered = token.encode(), token.lower()
    for form, shape in _shapes():
        if form.hint in lowered and shape.fullmatch(data) and (form.check is None or form.check(token)):
            return form.category
    return ""


# --- values that a name calls secret --------------------------------------------------------------------

PASSWORDS = frozenset({
    "password", "passwd", "pwd", "pass", "passphrase", "passcode", "passwort", "kennwort", "motdepasse", "contrasena",
    "senha", "wachtwoord", "haslo", "losenord", "userpassword", "dbpassword", "psw", "pw",
})  # fmt: skip
_NO_SECRET_BEFORE = word_set(
    "public pub publishable next page cursor continuation csrf xsrf sync no max min num number of total input output"
    " prompt completion start end begin eos bos pad unk mask sep cls stop special image text first last prev previous"
    " foreign primary partition sort index cache hash map dict json yaml object row column tensor search idempotency"
    " routing shortcut hot keyboard composite natural surrogate delimiter"
)
# The end of a name, its parts joined: what it says of the value.
_SECRET_ENDS = (
    "password", "passwd", "pwd", "passphrase", "passcode", "secret", "secretkey", "token", "apikey", "accesskey",
    "authkey", "privatekey", "clientsecret", "appsecret", "encryptionkey", "signingkey", "masterkey", "sharedkey",
    "accountkey", "servicekey", "subscriptionkey", "sessionkey", "credential", "credentials", "authorization", "bearer",
    "webhooksecret", "jwtsecret", "apitoken", "apisecret", "accesstoken", "authtoken", "refreshtoken", "sessiontoken",
    "bottoken", "personalaccesstoken", "connectionstring", "secretaccesskey", "secretaccess", "accesskeysecret",
    "apppassword",
    "passwort", "kennwort", "motdepasse", "contrasena", "contraseña", "senha", "wachtwoord", "haslo", "hasło",
    "lösenord",
    "пароль", "パスワード", "密码", "비밀번호",
)  # fmt: skip
NAMED = pattern(
    r"(?i)(?:passw(?:or)?d|passphrase|passcode|passwort|kennwort|mot[ _-]?de[ _-]?passe|contrase(?:n|ñ)a|senha"
    r"|wachtwoord|has(?:l|ł)o"
    r"|l(?:o|ö)senord|пароль|パスワード|密码|비밀번호|pwd|\bpass|_pass|secret(?:[ _.\-]?(?:access)?[ _.\-]?key)?|token"
    r"|(?:api|access|auth|private|encryption|signing|master|shared|account|service|subscription"
    r"|session)[ _.\-]?key(?:[ _.\-]?secret)?"
    r"|credentials?|authorization|bearer)"
    r"""(?:[\\"'`*_)\]]{0,6}[ \t]{0,8}(?:=>|:=|[:=\x{ff1a}])|>)"""
)


def kind_of_name(name: str) -> str:
    """PASSWORD, API_KEY or SECRET for a name that says so of its value; "" for all others."""
    plain = "".join(each for each in name.lower() if each.isalnum())
    if not plain.endswith(_SECRET_ENDS) and plain not in PASSWORDS:
        return ""
    words = [word for word in name.lower().replace("-", "_").replace(".", "_").replace(" ", "_").split("_") if word]
    if any(word in _NO_SECRET_BEFORE for word in words[:-1]):
        return ""
    if (
        plain in PASSWORDS
        or plain.endswith(("password", "passwd", "pwd", "passphrase", "passcode"))
        or not plain.isascii()
    ):
        return "PASSWORD"
    return "API_KEY" if "key" in plain and "secret" not in plain else "SECRET"


def score_value(value: str, kind: str, *, quoted: bool, is_code: bool = False) -> float:
    """How sure a value is a secret, given that its name calls it a `kind`; 0.0 when it is none."""
    value = value.strip()
    if not 6 <= len(value) <= 512 or (any(each in " \t\r\n" for each in value) and kind != "PASSPHRASE"):
        return 0.0
    if (
        is_sham(value)
        or value[0] in "$%<{[(@&*!#"
        or "(" in value
        or "://" in value
        or value.endswith((":", "/", "\\"))
    ):
        return 0.0
    if not quoted and not is_code and _is_expression(value):
        return 0.0
    digits = sum(each.isdigit() for each in value)
    letters = sum(each.isalpha() for each in value)
    marks = len(value) - digits - letters
    bits = entropy(value)
    if kind == "PASSWORD":
        return _score_password(value, digits, letters, marks, quoted)
    if len(value) < 16 or not digits or letters + digits < len(value) * 0.8 or bits < 3.0:
        return 0.0
    if _is_identifier(value) or _is_path(value) or value.replace(".", "").replace("-", "").isdigit():
        return 0.0
    if _is_uuid(value):
        return 0.6 if kind == "API_KEY" or quoted else 0.0
    return 0.85 if bits >= 3.5 and len(value) >= 20 else 0.7


def _score_password(value: str, digits: int, letters: int, marks: int, quoted: bool) -> float:
    if value.isalpha() or not letters or value.lower() in _COMMON or _is_path(value):
        # A word alone is as often a name as a password; digits alone are an example.
        return 0.0
    mixed = (value.lower() != value) + bool(digits) + bool(marks) + bool(letters)
    if digits and (mixed >= 3 or len(value) >= 10):
        if _is_identifier(value):
            return 0.0
        return 0.8 if len(value) >= 8 else 0.6
    if digits and quoted:
        return 0.6
    strange = any(each in "!@#$%^&*+?~=|" for each in value)
    return 0.7 if strange and mixed >= 3 and len(value) >= 8 and not _is_identifier(value) else 0.0


_COMMON = frozenset(
    {
        "test123",
        "pass123",
        "user123",
        "admin123",
        "p@ssw0rd",
        "passw0rd",
        "qwerty123",
        "abc123",
        "sha256",
        "md5sum",
        "base64",
        "oauth2",
        "utf-8",
        "passwd1",
    }
)


def _is_expression(value: str) -> bool:
    """Whether it reads like code: a name, an attribute, a call, a type."""
    return any(each in value for each in "()[]{};,<>|\"'`") or value.startswith(
        ("self.", "this.", "os.", "process.", "config.", "env.", "settings.")
    )


def _is_identifier(value: str) -> bool:
    """Words joined by marks, each of letters only but for a digit or two at its end: `client_id_2`, `db.v1.name`."""
    parts = value.replace("-", "_").replace(".", "_").replace("/", "_").replace(":", "_").split("_")
    plain = sum(
        (part.rstrip("0123456789").isalpha() and len(part) - len(part.rstrip("0123456789")) <= 2)
        or not part
        or (part.isdigit() and len(part) <= 2)
        for part in parts
    )
    return plain == len(parts) and (len(parts) > 1 or value.rstrip("0123456789").islower())


def _is_path(value: str) -> bool:
    return value.startswith(("/", "./", "../", "~/", "http", "arn:", "urn:", "file:")) or (
        value.count("/") > 1 and "." in value
    )


def _is_uuid(value: str) -> bool:
    return len(value) == 36 and value.count("-") == 4 and value.replace("-", "").isalnum()


# --- forms with a place for the secret ------------------------------------------------------------------

URL_WITH_PASSWORD = pattern(
    r"(?i)\b[a-z][a-z0-9+.\-]{1,30}://[^\s:/@\"'<>`\\?#]{0,80}:[^\s/@\"'<>`]{1,200}@[a-z0-9\[_.\-]+[^\s\"'<>`\\)\],;]*"
)
HEADER = pattern(
    r"(?i)\b(?:bearer[ ]+[a-z0-9._~+/\-]{16,}=*|basic[ ]+[a-z0-9+/_\-]{12,}={0,2}|(?:token|apikey|api-key"
    r"|key)[ ]+[a-z0-9._~+/\-]{20,}=*"
    r"|aws4-hmac-sha256 credential=[^\s,]{20,200})"
)
PEM = pattern(r"-{5}BEGIN (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?-{5}|PuTTY-User-Key-File-[23]:")
_WEB = (
    "http://",
    "https://",
    "ftp://",
    "ftps://",
    "ws://",
    "wss://",
    "git://",
    "ssh://",
    "sftp://",
    "git+https://",
    "git+ssh://",
)
_SHAM_PASSWORDS = word_set(
    "password pass pwd passwd secret user username your_password mypassword pw p x xxx xxxx xxxxx **** *** ..."
    " test guest root admin foo"
    " bar token key example changeme postgres mysql host port"
)


def score_url(url: str) -> tuple[str, int, int, float]:
    """Category, the secret part's start and end, and the score; a score of 0.0 where the password stands for one."""
    scheme, _, rest = url.partition("://")
    userinfo, _, host = rest.rpartition("@") if rest.count("@") == 1 else rest.partition("@")
    user, _, password = userinfo.partition(":")
    start = len(scheme) + 3
    sham = (
        not password or password.lower() in _SHAM_PASSWORDS or is_sham(password)
        or "secret" in password.lower() or "," in password or password[0] in "$<{%[*("
        or password.lower() == user.lower() or (user.lower() in ("user", "username") and len(password) < 8)
        or (password.isdigit() and len(password) < 6) or len(set(password)) < 3
    )  # fmt: skip
    if sham or not host or len(password) < 4:
        return "", 0, 0, 0.0
    if f"{scheme.lower()}://" in _WEB:
        return "BASIC_AUTH_URL", start, start + len(userinfo), 0.85 if _looks_chosen(password) else 0.6
    return "CONNECTION_STRING", 0, len(url), 0.9 if _looks_chosen(password) else 0.7


def _looks_chosen(password: str) -> bool:
    return (len(password) >= 8 and not password.isalpha()) or len(password) >= 12


def score_header(text: str) -> float:
    """Of `Bearer token` and the like."""
    scheme, _, token = text.partition(" ")
    token = token.strip()
    if is_sham(token):
        return 0.0
    lowered = scheme.lower()
    if lowered == "basic":
        decoded = decode_base64(token)
        if decoded is None or b":" not in decoded or not decoded.isascii():
            return 0.0
        user, _, password = decoded.decode().partition(":")
        printable = user.isprintable() and password.isprintable() and len(password) >= 3
        return 0.9 if printable and not is_sham(password) and password.lower() not in _SHAM_PASSWORDS else 0.0
    has_digits = any(each.isdigit() for each in token) and any(each.isalpha() for each in token)
    if not has_digits or entropy(token) < 3.3 or _is_identifier(token) or _is_path(token):
        return 0.0
    return 0.9 if lowered in ("bearer", "aws4-hmac-sha256") else 0.6 if len(token) >= 32 else 0.0


def end_of_pem(text: str, start: int, end: int) -> int:
    """Where a private key ends that is headed at [start, end); -1 when no key follows the heading."""
    body = text[end : end + 400].replace("\\n", " ").replace("\\r", " ")
    letters = "".join(
        line
        for line in body.split()
        if ":" not in line and line.replace("+", "a").replace("/", "a").rstrip("=\\").isalnum()
    )
    if len(letters) < 40 or is_sham(letters[:80]) or len(set(letters[:200])) < 12:
        return -1
    closing = text.find("-----END", end, end + 20_000)
    if closing < 0:
        return min(len(text), end + 4_000)
    stop = text.find("-----", closing + 8, closing + 80)
    return stop + 5 if stop >= 0 else min(len(text), closing + 40)


AWS_SECRET = pattern(
    r"(?i)(?:aws|amazon|secret_?access|secretaccess)[\w \-.\"'\\]{0,40}[:=>]{1,2}[ \t\"'\\]{0,4}[a-z0-9/+]{40}"
)


def is_aws_secret(token: str) -> bool:
    """Forty characters that neither a digest nor a placeholder has."""
    if len(token) != 40 or entropy(token) <= 4.0 or is_sham(token):
        return False
    return any(each.isdigit() for each in token) and not all(each in "0123456789abcdef" for each in token.lower())
