"""All settings of the gateway, in one place. Every GATEWAY_* variable is described in the README."""

from __future__ import annotations

from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

from gateway_site.env import HERE, choice, env, positive, secret
from gateway_site.lib import secrets as secret_values
from gateway_site.look import LOOK

# --- where things are kept -------------------------------------------------------------------------
BASE_DIR = HERE
# What is installed as a package keeps nothing beside itself.
IS_CHECKOUT = (BASE_DIR / "manage.py").exists()
_HOME = BASE_DIR / "var" if IS_CHECKOUT else Path.home() / ".mcp-gateway"
GATEWAY_HOME = Path(env.str("GATEWAY_HOME", str(_HOME))).resolve()
GATEWAY_HOME.mkdir(parents=True, exist_ok=True, mode=0o700)
RUN_DIR = GATEWAY_HOME / "run"
KEYRING_PATH = Path(env.str("GATEWAY_KEYRING", str(GATEWAY_HOME / "keys" / "keyring.json")))
KEYRING = secret_values.load_or_create(KEYRING_PATH)

# --- Django ----------------------------------------------------------------------------------------
SECRET_KEY = secret("GATEWAY_SECRET_KEY") or KEYRING.secret_key
DEBUG = False
# Host names under which the gateway answers, with or without a port; checked by the MCP endpoint and by Django.
GATEWAY_ALLOWED_HOSTS: list[str] = env.list("GATEWAY_ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
GATEWAY_ALLOWED_ORIGINS: list[str] = env.list("GATEWAY_ALLOWED_ORIGINS", default=[])
ALLOWED_HOSTS = [host.rsplit(":", 1)[0] if host[-1:].isdigit() and ":" in host and "]" not in host else host
                 for host in GATEWAY_ALLOWED_HOSTS]  # fmt: skip
CSRF_TRUSTED_ORIGINS = [origin for origin in GATEWAY_ALLOWED_ORIGINS if "://" in origin]

INSTALLED_APPS = [
    "gateway_site.apps.GatewaySiteConfig",
    "projects.apps.ProjectsConfig",
    "audit.apps.AuditConfig",
    "guardrails.apps.GuardrailsConfig",
    "servers.apps.ServersConfig",
    "proxy.apps.ProxyConfig",
    "django_prometheus",
    # Before the admin, whose templates it replaces; ours in `templates` come before both.
    "projects.apps.ThemeConfig",
    "projects.apps.PagesConfig",
    "projects.apps.PasskeysConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "axes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "projects.rest.middleware.RestMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "projects.content_policy.ContentPolicyMiddleware",
    "gateway_site.static.CompressedStaticMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "projects.signin.middleware.VerifiedMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "projects.middleware.ActingUserMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]
ROOT_URLCONF = "gateway_site.urls"
ASGI_APPLICATION = "gateway_site.asgi.application"
AUTH_USER_MODEL = "projects.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
SESSION_ENGINE = "projects.signin.sessions"
# The page that shows the REST interface. As an app, ninja would be imported by every worker at its start.
_ninja = find_spec("ninja")
_NINJA = [Path(_ninja.origin).parent] if _ninja and _ninja.origin else []
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [
            BASE_DIR / "templates" if IS_CHECKOUT else BASE_DIR / "gateway_site" / "templates",
            *(directory / "templates" for directory in _NINJA),
        ],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LANGUAGE_CODE = "en"
FORMAT_MODULE_PATH = ["gateway_site.formats"]
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
STATICFILES_DIRS = [directory / "static" for directory in _NINJA]
STATIC_ROOT = GATEWAY_HOME / "static"
STATIC_ROOT.mkdir(exist_ok=True)
COMPRESSED_DIR = GATEWAY_HOME / "compressed"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "gateway_site.static.VersionedStorage"},
}
WHITENOISE_USE_FINDERS = True
WHITENOISE_ALLOW_ALL_ORIGINS = False
WHITENOISE_MAX_AGE = 24 * 3600
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGIN_URL = "admin:login"
HTTPS = env.bool("GATEWAY_HTTPS", False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 8 * 3600
# Passkeys belong to the host name of the page, and sign in alone; projects.signin.ceremony has what else is ours.
OTP_WEBAUTHN_CREDENTIAL_MODEL = "projects.Passkey"
OTP_WEBAUTHN_HELPER_CLASS = "projects.signin.ceremony.Ceremony"
OTP_WEBAUTHN_RP_ID_CALLABLE = "projects.signin.passkeys.rp_id_of"
OTP_WEBAUTHN_RP_NAME = "Secure MCP Gateway"
OTP_WEBAUTHN_ALLOW_PASSWORDLESS_LOGIN = True
OTP_WEBAUTHN_TIMEOUT_SECONDS = 300
# Five wrong passwords or codes of one account from one address: for a quarter of an hour nothing is looked at that it
# gives, and it is told the same as of a wrong one.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_USERNAME_FORM_FIELD = "username"
AXES_USERNAME_CALLABLE = "projects.signin.lockout.account_of"
AXES_CLIENT_IP_CALLABLE = "projects.signin.lockout.counted_address"
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_SENSITIVE_PARAMETERS = [
    "username", "ip_address", "code", "old_password", "new_password1", "new_password2", "csrfmiddlewaretoken", "next",
]
# The audit log has who signed in.
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = AXES_VERBOSE = False
# Its middleware gives whoever is locked out a page of their own, by which they would know.
SILENCED_SYSTEM_CHECKS = ["axes.W002"]
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0

# --- how pages look, and what they may do ------------------------------------------------------------
UNFOLD = LOOK
FORM_RENDERER = "projects.widget_templates.Renderer"
NAVIGATION = "gateway_site.navigation.GROUPS"
# As strict as the theme can be used with: what it writes into attributes is evaluated, and it styles elements. So all
# that others wrote is escaped wherever it is shown (tests/browser puts hostile markup through every page).
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'", "'unsafe-eval'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    }
}

# --- the two topologies: SQLite and memory, or PostgreSQL and Redis ---------------------------------
DATABASE_URL = secret("DATABASE_URL", f"sqlite:///{GATEWAY_HOME / 'gateway.sqlite3'}")
REDIS_URL = secret("REDIS_URL")
_database = env.db_url_config(DATABASE_URL)
if _database["ENGINE"].endswith("sqlite3"):
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;PRAGMA busy_timeout=20000;",
    }
else:
    _database["OPTIONS"] = {
        "pool": {"min_size": 1, "max_size": positive("GATEWAY_DATABASE_POOL", 16), "timeout": 2},
        "connect_timeout": 2,
        **_database.get("OPTIONS", {}),
    }
DATABASES = {"default": _database}
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}
# For consumers that others add: ours read the database, so that no socket depends on it (audit.tail.consumer).
CHANNEL_LAYERS = {
    "default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [REDIS_URL]}}
    if REDIS_URL
    else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
}
CELERY_BROKER_URL = REDIS_URL or "memory://"
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 2} if REDIS_URL else {"polling_interval": 0.05}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# What waits longer than until its next time is not wanted any more.
CELERY_BEAT_SCHEDULE = {
    "run-due-jobs": {"task": "projects.run_due_jobs", "schedule": 2.0, "options": {"expires": 2}},
    "prune-jobs": {"task": "projects.prune_jobs", "schedule": 600.0, "options": {"expires": 600}},
    "prune-answers": {"task": "projects.prune_answers", "schedule": 600.0, "options": {"expires": 600}},
    "prune-sessions": {"task": "projects.prune_sessions", "schedule": 600.0, "options": {"expires": 600}},
    # Also in the embedded topology, and in the common queue: it may take minutes.
    "retain-the-log": {"task": "audit.retain", "schedule": 600.0, "options": {"expires": 600, "queue": "celery"}},
    "read-due-servers": {"task": "servers.ask_due", "schedule": 5.0, "options": {"expires": 5}},
}
EMBEDDED_WORKER = not REDIS_URL
# A worker serves both queues unless it is told which: the log's upkeep may not wait for long jobs.
CELERY_TASK_QUEUES: dict[str, dict[str, str]] = {"celery": {}, "audit": {}}
CELERY_TASK_ROUTES = {"audit.*": {"queue": "audit"}}
if not EMBEDDED_WORKER:
    CELERY_BEAT_SCHEDULE |= {
        "seal-the-log": {"task": "audit.seal", "schedule": 0.8, "options": {"expires": 2}},
        "forward-the-log": {"task": "audit.forward", "schedule": 1.0, "options": {"expires": 2}},
        "close-interrupted": {"task": "audit.close_interrupted", "schedule": 5.0, "options": {"expires": 5}},
        "prune-exports": {"task": "audit.prune_exports", "schedule": 300.0, "options": {"expires": 300}},
        "begin-due-exports": {"task": "audit.begin_due_exports", "schedule": 60.0, "options": {"expires": 60}},
        "prepare-partitions": {"task": "audit.prepare_partitions", "schedule": 3600.0, "options": {"expires": 3600}},
    }
# How often a server's lists are read again for the catalogue, unless it says so itself.
# 0: only when somebody asks for it.
DISCOVERY_SECONDS = positive("GATEWAY_DISCOVERY_SECONDS", 4 * 3600, minimum=0)
# How old a server's list and a project's configuration may become in memory, however little has changed.
CACHE_TOOLS_SECONDS = positive("GATEWAY_CACHE_TOOLS_SECONDS", 4 * 3600)
CACHE_CONFIG_SECONDS = positive("GATEWAY_CACHE_CONFIG_SECONDS", 24 * 3600)

# --- the data plane ---------------------------------------------------------------------------------
MAX_REQUEST_BYTES = positive("GATEWAY_MAX_REQUEST_BYTES", 4 * 1024 * 1024)
MAX_RESPONSE_BYTES = positive("GATEWAY_MAX_RESPONSE_BYTES", 16 * 1024 * 1024)
MAX_HEADER_BYTES = positive("GATEWAY_MAX_HEADER_BYTES", 32 * 1024)
# Calls at one time and calls per minute of one key, in each web process. 0 calls per minute is no limit.
KEY_CONCURRENCY = positive("GATEWAY_KEY_CONCURRENCY", 64)
KEY_STREAMS = positive("GATEWAY_KEY_STREAMS", 4096)
KEY_RATE = positive("GATEWAY_KEY_RATE", 6000, minimum=0)
MAX_CALLS = positive("GATEWAY_MAX_CALLS", 2048)
MAX_STREAMS = positive("GATEWAY_MAX_STREAMS", 10_000)
CONFIG_POLL_SECONDS = 0.3
CONFIG_STALE_SECONDS = positive("GATEWAY_CONFIG_STALE_SECONDS", 30)
# What upstream addresses may be reached besides public HTTPS: hosts, host:port, addresses or CIDR networks.
EGRESS_ALLOW: list[str] = env.list("GATEWAY_EGRESS_ALLOW", default=[])
RUNNER_SOCKET = Path(env.str("GATEWAY_RUNNER_SOCKET", str(RUN_DIR / "runner.sock")))
AUDIT = choice("GATEWAY_AUDIT", "database", ("database", "off"))
# A store that hangs is told from one that is slow in time to refuse the call within two seconds.
AUDIT_TIMEOUT_SECONDS = 1.5
# Where checkpoints go besides the database, and how often at most.
AUDIT_WEBHOOK = secret("GATEWAY_AUDIT_WEBHOOK")
AUDIT_ANCHORS: list[str] = env.list(
    "GATEWAY_AUDIT_ANCHORS", default=["file", "log", *(["webhook"] if AUDIT_WEBHOOK else [])]
)
AUDIT_ANCHOR_FILE = Path(env.str("GATEWAY_AUDIT_ANCHOR_FILE", str(GATEWAY_HOME / "audit" / "checkpoints.jsonl")))
AUDIT_ANCHOR_SECONDS = positive("GATEWAY_AUDIT_ANCHOR_SECONDS", 10)
# Where exports lie until they expire; every web and worker process needs the same folder.
EXPORT_DIR = Path(env.str("GATEWAY_EXPORT_DIR", str(GATEWAY_HOME / "exports"))).resolve()
EXPORT_DAYS = positive("GATEWAY_EXPORT_DAYS", 7)
EXPORT_MAX_EVENTS = positive("GATEWAY_EXPORT_MAX_EVENTS", 20_000_000)
# The folders into which projects' schedules may write; none unless the operator names some.
EXPORT_DIRECTORIES = [Path(each).resolve() for each in env.list("GATEWAY_EXPORT_DIRECTORIES", default=[])]
# Where the whole log goes as it is sealed (audit.destinations), and what is given up after how long.
AUDIT_FORWARD: list[str] = [each for each in secret("GATEWAY_AUDIT_FORWARD").split(",") if each.strip()]
AUDIT_FORWARD_SECRET = secret("GATEWAY_AUDIT_FORWARD_SECRET")
AUDIT_FORWARD_AUTHORIZATION = secret("GATEWAY_AUDIT_FORWARD_AUTHORIZATION")
AUDIT_FORWARD_CA = env.str("GATEWAY_AUDIT_FORWARD_CA", "")
AUDIT_FORWARD_GIVE_UP_SECONDS = positive("GATEWAY_AUDIT_FORWARD_GIVE_UP_SECONDS", 24 * 3600)
# Of a call's parameters, and of its result, no payload of more bytes is kept.
AUDIT_PAYLOAD_BYTES = positive("GATEWAY_AUDIT_PAYLOAD_BYTES", 64 * 1024)
# How long a personal value can come back after the last use of the token that stands for it.
GUARDRAIL_VAULT_SECONDS = positive("GATEWAY_GUARDRAIL_VAULT_SECONDS", 3600)
DRAIN_SECONDS = positive("GATEWAY_DRAIN_SECONDS", 4)
DEMO_PORT = positive("GATEWAY_DEMO_PORT", 8765)
# The proxies whose X-Forwarded-For is believed.
TRUSTED_PROXIES: list[str] = env.list("GATEWAY_TRUSTED_PROXIES", default=[])

# --- REST -------------------------------------------------------------------------------------------
# Requests per minute of one admin token, in each web process. 0 is no limit.
REST_RATE = positive("GATEWAY_REST_RATE", 600, minimum=0)

# --- what can be observed ---------------------------------------------------------------------------
METRICS_TOKEN = secret("GATEWAY_METRICS_TOKEN")
LOG_LEVEL = choice("GATEWAY_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
OTLP_ENDPOINT = env.str("OTEL_EXPORTER_OTLP_ENDPOINT", "")
LOGGING_CONFIG = None
