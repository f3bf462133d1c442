"""Paths that leave the directory they belong to, or that name what no tool is asked for: keys, logs, settings."""

from __future__ import annotations

import base64
import binascii
import ntpath
import posixpath
from collections.abc import Sequence

import re2

from guardrails.attacks.marks import Mark, Reach
from guardrails.attacks.spelling import unescape
from guardrails.engine.hits import Hit

PATH = "PATH_TRAVERSAL"
LONGEST = 4_096

MARKS = (
    # What a password file holds, wherever it comes from.
    Mark(
        PATH, 0.85, Reach.PAYLOAD,
        r"\broot:[^:\s]*:0:0:[^:\n]*:/(?:root|var/root)?:/|\broot:\$[0-9a-z]+\$[^:\s]+:\d*:",
    ),
    Mark(
        PATH, 0.85, Reach.VALUE,
        r"(?:\.\.(?:/|\\|%2f|%5c)){2,}(?:etc/(?:passwd|shadow|hosts)|proc/self|windows/|winnt/|boot\.ini|root/|"
        r"var/log)",
    ),
    # In an address: a climb that no client resolves before it asks, more than one, or in a parameter from the root.
    Mark(
        PATH, 0.7, Reach.WHOLE,
        r"^\s*(?:https?|ftp)://[^\s?#]*/(?:(?:%2e){2}|\.%2e|%2e\.)(?:[;/\\]|%2f|%5c|$)|"
        r"^\s*(?:https?|ftp)://[^\s?#]*/\.\.(?:;|%2f|%5c|\\)|"
        r"^\s*(?:https?|ftp)://[^\s?#]*(?:/\.\.){2,}/|[?&][\w.\[\]-]+=(?:/\.\.(?:/|\\|%2f|%5c)|(?:\.\.(?:/|\\|%2f|%5c)){3,})",
    ),
    Mark(PATH, 0.45, Reach.WHOLE, r"^\s*(?:https?|ftp)://[^\s?#]*/\.\./"),
)

_LOOKS = re2.compile(
    r"(?i)^(?:\s*[/\\~.]|[a-z]:[\\/]|[a-z][a-z0-9+.-]*:[/\\])|\.\.|%(?:2e|25|c0|c1|00|5c|2f|u|bg|(?:e0|f0|f8|fc)%80)|0x(?:2[ef]|5c)|\x{0}|"
    r"pass|\.(?:php|inc|jsp|cgi|conf|ini|log|cnf|htaccess|env|ssh|git|aws|asp|bak|old)|[-_]log\b|web-inf|\\\\"
)
_ROOTED = (
    r"(?:etc|proc|sys|root|boot|dev|var/(?:log|adm|spool|run|lib|mail|cron|backups|www/logs?|lock|named|"
    r"apache2?|nm2|mysql|cpanel|webmin)|"
    r"usr/(?:local/(?:apache2?|etc|php\d?|cpanel|www|pureftpd|mysql|nginx|httpd|samba|tomcat)|spool|adm|etc|"
    r"lib/(?:cron|security|php)|sbin|pkgsrc|ports/\S+)|"
    r"opt/(?:lampp|xampp|apache2?|nginx|tomcat|bitnami)|private/(?:etc|var)|system/library|library/webserver|"
    r"apache2?|xampp|wamp(?:64)?|mamp|appserv|laragon|easyphp|php\d?|winnt|windows|"
    r"program files(?: \(x86\))?[/\\](?:apache|xampp|mysql|php|filezilla|tomcat|iis)[^/\\]*|"
    r"documents and settings|inetpub|boot\.ini|users/(?:administrator|all users|default)|"
    r"mysql|sysprep|nginx|httpd|cgi-bin)"
)
_SYSTEM = re2.compile(rf"(?i)^(?:[a-z]:)?[/\\]+{_ROOTED}(?:[/\\]|$)")
# Names of files that are worth stealing, by how sure they are.
_NAMES = re2.compile(
    r"(?i)(?:^|/)(?:etc/(?:passwd|shadow|hosts|group|sudoers|issue|fstab|crontab|hostname|mtab|motd|profile|"
    r"master\.passwd|security|ssh|ssl)\b|proc/(?:self|\d+|version|cmdline|net|sys)|"
    r"\.ssh(?:/|$)|id_(?:rsa|dsa|ecdsa|ed25519)|authorized_keys|known_hosts|(?:var/)?run/secrets/|\.?passwd$|\.?shadow$|\.htpasswd|"
    r"\.bash_(?:history|logo?ut|profile)|\.(?:mysql|psql|zsh|python|sh|rediscli)_history|"
    r"\.(?:netrc|rhosts|shosts|pgpass|my\.cnf|git-credentials|npmrc|pypirc|dockercfg|docker/config\.json|"
    r"kube/config|aws/credentials|azure|boto|s3cfg|gnupg|forward|xinitrc|xsession|cshrc|login|logout|"
    r"history)(?:/|$)|"
    r"web-inf|web\.xml|web\.config|boot\.ini|win\.ini|system\.ini|php\.ini|my\.(?:ini|cnf)|httpd\.conf|"
    r"apache2?\.conf|nginx\.conf|vhosts?\.conf|srm\.conf|access\.conf|"
    r"(?:access|error|ssl|suexec|rewrite)[_.-]log(?:\.\d)?$|(?:access|error)s?\.log|acces\.log|ntuser\.dat|"
    r"sam$|unattend\.xml|sysprep\.inf|wp-config|config\.inc\.php|configuration\.php|localsettings\.php|"
    r"settings\.php|database\.yml|global\.asa|localstart\.asp|cmd\.exe|ftpaccess|pure-ftpd|proftpd\.conf|"
    r"vsftpd\.conf|sshd_config|smb\.conf|"
    r"wtmp|utmp|lastlog|secrets?\.(?:ya?ml|json|env)|credentials(?:\.json)?$|\.git/(?:config|head|index)|"
    r"\.svn/(?:entries|wc\.db)|\.env(?:\.\w+)?$|\.htaccess|\.ds_store|"
    r"\.pass(?:words?)?$|passw(?:or)?ds?\.\w+$)"
)
_SOURCES = re2.compile(
    r"(?i)(?:^|[/.])(?:db|dbase|database|data|config|conn|connect|connection|settings|install|setup|admin|"
    r"users?|login|globals?)"
    r"\.(?:php\d?|aspx?|inc|jsp|cfm|cgi|pl)\b"
)
_WRAPPED = re2.compile(
    r"(?i)^\s*(?:php|phar|zip|expect|glob|compress\.\w+|zlib|ogg|rar|ssh2\.\w+|netdoc|jar|view-source|input|"
    r"filter)://?"
    r"|^\s*data://?text|php://(?:filter|input|fd|memory|temp)|convert\.base64-(?:en|de)code"
)
_CLIMB = re2.compile(r"(?:^|[/\\])\.\.(?:[/\\]|$)")
_CLIMBS = re2.compile(r"(?:\.\.[/\\]+){2,}")
_ODD = re2.compile(
    r"(?:^|[/\\])\.{3,}[/\\]|\.{3,}[/\\]{2}|[^:/\\]?[/\\]{3,}|^[/\\]{2,}\.|(?:[/\\]\.){3,}[/\\]?|^/\.{1,2}/?$|"
    r"[/\\]\.{5,}|\.{8,}"
    r"|\.\.{[^}]*}|(?:(?:\.\?|\?\.)[/\\]){2,}|(?:/\.\.?/*){2,}|/{2,}\{|/\.+\{"
)
_HIDDEN_AT_ROOT = re2.compile(r"^/\.[A-Za-z]\w+$")
_RUN = re2.compile(r"^[/\\.]*(?:a{80,}|A{80,}|[/\\.]{40,})")
_DEVICE = re2.compile(
    r"(?i)^\\\\[?.]\\|^\\\\[\w.$-]+\\|^//[?.]/|(?:^|[/\\])(?:con|prn|aux|nul|com\d|lpt\d)(?:\.\w+)?$|"
    r"::\$(?:data|index)|~1[/\\]"
)
_BASE64 = re2.compile(r"^[A-Za-z0-9+/]{12,}={0,2}$")


def may_be(text: str) -> bool:
    """Whether anything in a short text speaks for a path worth looking at; quick, and wrong on the safe side."""
    return _LOOKS.search(text) is not None or (len(text) % 4 == 0 and _BASE64.match(text) is not None)


def judge(text: str, *, meant: bool, roots: Sequence[str] = ()) -> Hit | None:
    """A text that is one path. `meant` says that its argument is for paths; with `roots`, only what is below is good.

    `text` is at most LONGEST characters and free of lone surrogates.
    """
    plain = unescape(text)
    if "\n" in plain.strip():
        return None
    score = _score(plain, meant)
    if plain != text and score:
        # Whoever spells a path so that it does not look like one, knows why.
        score = min(0.97, score + 0.1)
    decoded = _from_base64(plain)
    if decoded:
        score = max(score, _score(unescape(decoded), True))
    if "\x00" in plain:
        score = max(score, 0.9)
    if roots and meant and not _is_below(plain, roots):
        score = max(score, 0.8)
    return Hit(PATH, 0, len(text), score) if score else None


def _score(path: str, meant: bool) -> float:
    slashed = path.strip().replace("\\", "/")
    scores = [0.0]
    named = _NAMES.search(slashed) is not None
    if _WRAPPED.search(path):
        scores.append(0.9)
    if _CLIMB.search(path) and _is_path(slashed):
        climbs = slashed.count("../")
        leaves = posixpath.normpath(slashed.lstrip("/")).startswith("..") or slashed.startswith("/")
        if named or _SYSTEM.search("/" + slashed.lstrip("./")):
            scores.append(0.95)
        elif leaves:
            scores.append(0.65 if climbs < 2 else 0.75 if climbs < 3 else 0.9)
        else:
            scores.append(0.4)
    if _CLIMBS.search(path) and named:
        scores.append(0.9)
    if not _is_path(slashed):
        return max(scores)
    if named:
        scores.append(0.8 if "/" in slashed or meant or slashed.startswith(".") else 0.6)
    if _SYSTEM.search(slashed):
        scores.append(0.7)
    if _HIDDEN_AT_ROOT.search(slashed):
        scores.append(0.6)
    if _SOURCES.search(slashed):
        scores.append(0.3)
    if " " not in path and slashed.strip(".") and _ODD.search(path):
        scores.append(0.65)
    if _RUN.search(path):
        scores.append(0.7)
    if _DEVICE.search(path):
        scores.append(0.8)
    return max(scores)


def _is_path(slashed: str) -> bool:
    """No sentence: few spaces, and no URL."""
    head = slashed[:12]
    return slashed.count(" ") <= 4 and "://" not in head


def _from_base64(text: str) -> str:
    if len(text) % 4 or _BASE64.match(text) is None:
        return ""
    try:
        decoded = base64.b64decode(text, validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return decoded if "/" in decoded and decoded.isprintable() else ""


def _is_below(path: str, roots: Sequence[str]) -> bool:
    windows = "\\" in path or path[1:2] == ":"
    flavour = ntpath if windows else posixpath
    whole = flavour.normpath(path)
    if not flavour.isabs(whole):
        return not whole.startswith("..")
    for root in roots:
        top = flavour.normpath(root)
        if whole == top or whole.startswith(top.rstrip("/\\") + flavour.sep):
            return True
    return False
