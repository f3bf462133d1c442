"""Forms with a place for the secret: addresses with a password, headers, private keys, pairs of AWS."""

from __future__ import annotations

from guardrails.language.words import word_set
from guardrails.pii.reading import pattern
from guardrails.secrets.looks import decode_base64, entropy, is_identifier, is_path, is_sham

URL_WITH_PASSWORD = pattern(
    r"(?i)\b[a-z][a-z0-9+.\-]{1,30}://[^\s:/@\"'<>`\\?#]{0,80}:[^\s/@\"'<>`]{1,200}@[a-z0-9\[_.\-]+[^\s\"'<>`\\)\],;]*"
)
HEADER = pattern(
    r"(?i)\b(?:bearer[ ]+[a-z0-9._~+/\-]{16,}=*|basic[ ]+[a-z0-9+/_\-]{12,}={0,2}|(?:token|apikey|api-key"
    r"|key)[ ]+[a-z0-9._~+/\-]{20,}=*"
    r"|aws4-hmac-sha256 credential=[^\s,]{20,200})"
)
# Programs that take a password on their command line.
COMMAND = pattern(
    r"\b(?:curl|wget|http)\s(?:[^\n|;]*\s)?(?:-u|--user|--proxy-user|-U)[ =]?[\"']?[^\s:\"'@/]{1,60}:[^\s\"']{4,100}"
    r"|\b(?:mysql|mysqldump|mysqladmin|mariadb)\s(?:[^\n|;]*\s)?-p[^\s\"']{4,100}"
    r"|\bsshpass\s+-p\s*[\"']?[^\s\"']{4,100}|\bPGPASSWORD=[\"']?[^\s\"']{4,100}"
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


def secret_of_command(text: str) -> str:
    """The password in what COMMAND found; "" where something stands for one."""
    last = text.split()[-1]
    if last.startswith("PGPASSWORD="):
        password = last.partition("=")[2]
    elif last.startswith("-p"):
        password = last[2:]
    else:
        password = last.partition(":")[2] or last
    password = password.lstrip("\"'")
    sham = password.lower() in _SHAM_PASSWORDS or is_sham(password) or "secret" in password.lower()
    return "" if sham or password[:1] in "$<{%[*(" or not _looks_chosen(password) else password


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
    if not has_digits or entropy(token) < 3.3 or is_identifier(token) or is_path(token):
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
