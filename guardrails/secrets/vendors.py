"""The forms that vendors gave their credentials, and all of them in one expression."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from guardrails.pii.reading import pattern
from guardrails.secrets.looks import is_jwt, is_mixed, is_random


class Form(NamedTuple):
    """One kind of credential. `hint` is a part that every one of them has, in lower case."""

    category: str
    hint: str
    shape: str
    check: Callable[[str], bool] | None = None


_WORD = r"[0-9A-Za-z_\-]"
FORMS: tuple[Form, ...] = (
    Form("AWS_ACCESS_KEY", "a", r"A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}", is_random),
    Form("AWS_BEDROCK_KEY", "absk", r"ABSK[A-Za-z0-9+/]{100,}={0,2}", is_random),
    Form("GITHUB_TOKEN", "gh", r"gh[pousr]_[A-Za-z0-9]{30,}", is_random),
    Form("GITHUB_TOKEN", "github_pat_", r"github_pat_[A-Za-z0-9_]{22,}", is_random),
    Form("GITLAB_TOKEN", "gl",
         rf"gl(?:pat|oas|dt|rt|rtr|cbt|ptt|ft|imt|agent|soat"
         rf"|ffct)-{_WORD}{{20,}}(?:\.[0-9a-z]{{2}}\.[0-9a-z]{{7,9}})?", is_random),
    Form("SLACK_TOKEN", "xox", r"xox[abcoprse](?:\.xox[bp])?-[0-9A-Za-z]{1,64}(?:-[0-9A-Za-z]{1,}){1,6}", is_mixed),
    Form("SLACK_TOKEN", "xapp-", r"xapp-\d-[A-Z0-9]{8,16}-\d{8,16}-[0-9a-f]{32,}", is_random),
    Form("SLACK_WEBHOOK", "hooks.slack",
         r"https://hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/[A-Za-z0-9/_\-]{20,}", is_random),
    Form("DISCORD_WEBHOOK", "webhooks",
         rf"https://(?:[a-z]+\.)?discord(?:app)?\.com/api/(?:v\d+/)?webhooks/\d{{15,20}}/{_WORD}{{50,90}}", is_random),
    Form("TEAMS_WEBHOOK", "webhook",
         r"https://[a-z0-9\-]+\.webhook\.office\.com/webhookb2/[A-Za-z0-9@\-/]{60,}", is_random),
    Form("DISCORD_TOKEN", ".", rf"[MNO][A-Za-z0-9]{{23,28}}\.[A-Za-z0-9_\-]{{6}}\.{_WORD}{{27,40}}", is_mixed),
    Form("STRIPE_KEY", "_", r"(?:sk|rk)_(?:live|test|prod)_[0-9A-Za-z]{16,}", is_random),
    Form("STRIPE_KEY", "whsec_", r"whsec_[0-9A-Za-z+/=]{24,64}", is_random),
    Form("ANTHROPIC_KEY", "sk-ant-", rf"sk-ant-(?:[a-z]{{2,6}}\d{{2}}-)?{_WORD}{{20,}}", is_random),
    Form("OPENROUTER_KEY", "sk-or-", r"sk-or-v1-[0-9a-f]{40,80}", is_random),
    Form("LANGFUSE_KEY", "sk-lf-", r"sk-lf-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", is_random),
    Form("OPENAI_KEY", "sk-", rf"sk-(?:proj|svcacct|admin|None|service)-{_WORD}{{20,}}", is_random),
    Form("OPENAI_KEY", "sk-", r"sk-[A-Za-z0-9]{32,64}", is_mixed),
    Form("GROQ_KEY", "gsk_", r"gsk_[A-Za-z0-9]{40,60}", is_random),
    Form("XAI_KEY", "xai-", r"xai-[A-Za-z0-9]{60,}", is_random),
    Form("PERPLEXITY_KEY", "pplx-", r"pplx-[A-Za-z0-9]{40,60}", is_random),
    Form("REPLICATE_TOKEN", "r8_", r"r8_[A-Za-z0-9]{37,40}", is_random),
    Form("HUGGINGFACE_TOKEN", "hf_", r"hf_[A-Za-z0-9]{30,40}", is_random),
    Form("HUGGINGFACE_TOKEN", "api_org_", r"api_org_[A-Za-z]{34}", is_random),
    Form("NVIDIA_KEY", "nvapi-", rf"nvapi-{_WORD}{{50,90}}", is_random),
    Form("LANGSMITH_KEY", "lsv2_", r"lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}", is_random),
    Form("PINECONE_KEY", "pcsk_", r"pcsk_[A-Za-z0-9]{5,8}_[A-Za-z0-9]{50,70}", is_random),
    Form("TAVILY_KEY", "tvly-", rf"tvly-(?:dev-)?{_WORD}{{28,50}}", is_mixed),
    Form("GOOGLE_API_KEY", "aiza", rf"AIza{_WORD}{{35}}", is_random),
    Form("GOOGLE_OAUTH", "gocspx-", rf"GOCSPX-{_WORD}{{28}}", is_random),
    Form("GOOGLE_OAUTH", "ya29.", rf"ya29\.{_WORD}{{30,}}", is_random),
    Form("GOOGLE_OAUTH", "1//0", rf"1//0{_WORD}{{40,}}", is_random),
    Form("AZURE_STORAGE_KEY", "accountkey=", r"AccountKey=[A-Za-z0-9+/]{80,90}={0,2}", is_random),
    Form("AZURE_SHARED_KEY", "sharedaccesskey=", r"SharedAccessKey=[A-Za-z0-9+/]{40,60}={0,2}", is_random),
    Form("AZURE_CLIENT_SECRET", "q~", r"[A-Za-z0-9_~.\-]{3}\dQ~[A-Za-z0-9_~.\-]{31,34}", is_random),
    Form("AZURE_API_KEY", "jqqj", r"[A-Za-z0-9]{52}JQQJ9[0-9D][A-Za-z0-9]{20,32}", is_random),
    Form("AZURE_SAS", "sig=", r"[?&](?:sv|se|sp|sr)=[^\s\"'<>]{4,}&sig=[A-Za-z0-9%+/]{40,80}(?:%3D|=)", is_random),
    Form("NPM_TOKEN", "npm_", r"npm_[A-Za-z0-9]{36}", is_random),
    Form("PYPI_TOKEN", "pypi-", rf"pypi-AgE{_WORD}{{50,}}", is_random),
    Form("RUBYGEMS_KEY", "rubygems_", r"rubygems_[0-9a-f]{48}", is_random),
    Form("NUGET_KEY", "oy2", r"oy2[a-z0-9]{43}", is_mixed),
    Form("CRATES_TOKEN", "cio", r"cio[A-Za-z0-9]{32}", is_mixed),
    Form("DOCKER_TOKEN", "dckr_", rf"dckr_(?:pat|oat)_{_WORD}{{27,60}}", is_random),
    Form("SENDGRID_KEY", "sg.", rf"SG\.{_WORD}{{16,32}}\.{_WORD}{{16,64}}", is_random),
    Form("MAILGUN_KEY", "key-", r"key-[0-9a-f]{32}", is_mixed),
    Form("MAILCHIMP_KEY", "-us", r"[0-9a-f]{32}-us\d{1,2}", is_random),
    Form("BREVO_KEY", "xkeysib-", r"xkeysib-[0-9a-f]{64}-[A-Za-z0-9]{16}", is_random),
    Form("RESEND_KEY", "re_", r"re_[A-Za-z0-9]{8}_[A-Za-z0-9]{24}", is_mixed),
    Form("TWILIO_KEY", "sk", r"SK[0-9a-f]{32}", is_random),
    Form("TELEGRAM_BOT_TOKEN", ":a", rf"\d{{8,10}}:AA{_WORD}{{32,34}}", is_random),
    Form("SHOPIFY_TOKEN", "shp", r"shp(?:at|ca|pa|ss|ua)_[0-9a-fA-F]{32}", is_random),
    Form("DATABRICKS_TOKEN", "dapi", r"dapi[0-9a-f]{32}(?:-\d)?", is_random),
    Form("DIGITALOCEAN_TOKEN", "_v1_", r"do[opr]_v1_[0-9a-f]{64}", is_random),
    Form("VAULT_TOKEN", "hv", rf"hv[sbr]\.{_WORD}{{24,}}", is_random),
    Form("TERRAFORM_TOKEN", ".atlasv1.", rf"[A-Za-z0-9]{{14}}\.atlasv1\.{_WORD}{{60,70}}", is_random),
    Form("HEROKU_KEY", "hrku-", rf"HRKU-{_WORD}{{36,70}}", is_random),
    Form("LINEAR_KEY", "lin_", r"lin_(?:api|oauth)_[A-Za-z0-9]{32,64}", is_random),
    Form("NOTION_TOKEN", "secret_", r"secret_[A-Za-z0-9]{43}", is_mixed),
    Form("NOTION_TOKEN", "ntn_", r"ntn_[A-Za-z0-9]{40,50}", is_random),
    Form("AIRTABLE_TOKEN", "pat", r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}", is_random),
    Form("ATLASSIAN_TOKEN", "at", rf"AT(?:ATT3|CTT3){_WORD}{{50,}}(?:=[0-9A-F]{{8}})?", is_random),
    Form("BITBUCKET_TOKEN", "atbb", r"ATBB[A-Za-z0-9]{24,32}[0-9A-F]{4,8}", is_random),
    Form("FIGMA_TOKEN", "fig", rf"fig[dour]_{_WORD}{{38,44}}", is_random),
    Form("FACEBOOK_TOKEN", "eaa", r"EAA[A-Za-z0-9]{90,}", is_random),
    Form("TWITTER_TOKEN", "aaaaaaaaaaaaaaaaaaaaa", r"A{20,24}[A-Za-z0-9%]{60,}", None),
    Form("SQUARE_TOKEN", "sq0", rf"sq0(?:atp|csp|idp)-{_WORD}{{22,43}}", is_random),
    Form("SENTRY_TOKEN", "sntry", r"sntry[su]_[A-Za-z0-9+/=_]{60,}", is_random),
    Form("GRAFANA_TOKEN", "gl", r"glc_[A-Za-z0-9+/]{32,}={0,2}", is_random),
    Form("GRAFANA_TOKEN", "glsa_", r"glsa_[A-Za-z0-9]{32}_[0-9A-Fa-f]{8}", is_random),
    Form("NEWRELIC_KEY", "nra", r"NRA[KA]-[A-Z0-9]{27}", is_random),
    Form("PLANETSCALE_TOKEN", "pscale_", r"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.\-]{32,64}", is_random),
    Form("SUPABASE_KEY", "sb", rf"(?:sbp_[0-9a-f]{{40}}|sb_secret_{_WORD}{{20,60}})", is_random),
    Form("DOPPLER_TOKEN", "dp.",
         r"dp\.(?:pt|st|ct|sa|scim|audit)\.(?:[a-z0-9_\-]{2,35}\.)?[A-Za-z0-9]{40,44}", is_random),
    Form("FLY_TOKEN", "fm2_", r"fm[12][ar]?_[A-Za-z0-9+/=]{80,}", is_random),
    Form("NETLIFY_TOKEN", "nfp_", r"nfp_[A-Za-z0-9]{36,40}", is_random),
    Form("PULUMI_TOKEN", "pul-", r"pul-[0-9a-f]{40}", is_random),
    Form("POSTMAN_KEY", "pmak-", r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}", is_random),
    Form("DYNATRACE_TOKEN", "dt0", r"dt0[a-z]\d{2}\.[A-Z0-9]{24}\.[A-Z0-9]{64}", is_random),
    Form("ALIBABA_KEY", "ltai", r"LTAI[A-Za-z0-9]{12,24}", is_mixed),
    Form("AGE_KEY", "age-secret-key-1", r"AGE-SECRET-KEY-1[0-9A-Z]{58}", is_random),
    Form("HUBSPOT_TOKEN", "pat-", r"pat-(?:na|eu|ap)\d-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", is_random),
    Form("TAILSCALE_KEY", "tskey-",
         r"tskey-(?:auth|api|client|scim|webhook)-[A-Za-z0-9]{8,24}-[A-Za-z0-9]{24,64}", is_random),
    Form("PREFECT_KEY", "pn", r"pn[ub]_[A-Za-z0-9]{36}", is_random),
    Form("SOURCEGRAPH_TOKEN", "sgp_", r"sgp_(?:[0-9a-f]{16}_|local_)?[0-9a-f]{40}", is_random),
    Form("CIRCLECI_TOKEN", "ccipat_", r"CCIPAT_[A-Za-z0-9]{16,24}_[0-9a-f]{40}", is_random),
    Form("BUILDKITE_TOKEN", "bkua_", r"bkua_[0-9a-f]{40}", is_random),
    Form("CONTENTFUL_TOKEN", "cfpat-", rf"CFPAT-{_WORD}{{43}}", is_random),
    Form("OPENSHIFT_TOKEN", "sha256~", rf"sha256~{_WORD}{{43}}", is_random),
    Form("MAPBOX_TOKEN", "k.ey", rf"sk\.eyJ{_WORD}{{40,}}\.{_WORD}{{20,40}}", is_random),
    Form("TYPEFORM_TOKEN", "tfp_", r"tfp_[A-Za-z0-9_.\-]{40,70}", is_random),
    Form("EASYPOST_KEY", "ez", r"EZ[AT]K[A-Za-z0-9]{54}", is_random),
    Form("SHIPPO_TOKEN", "shippo_", r"shippo_(?:live|test)_[0-9a-f]{40}", is_random),
    Form("FLUTTERWAVE_KEY", "flwseck", r"FLWSECK(?:_TEST|_LIVE)?-[0-9a-zA-Z]{12,36}(?:-X)?", is_random),
    Form("DUFFEL_TOKEN", "duffel_", rf"duffel_(?:test|live)_{_WORD}{{43}}", is_random),
    Form("PAYPAL_TOKEN", "access_token$",
         r"access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-f]{32}", is_random),
    Form("ONEPASSWORD_TOKEN", "ops_ey", rf"ops_eyJ{_WORD}{{200,}}", None),
    Form("CLOJARS_TOKEN", "clojars_", r"CLOJARS_[0-9a-f]{60}", is_random),
    Form("INFRACOST_KEY", "ico-", r"ico-[A-Za-z0-9]{32}", is_mixed),
    Form("README_KEY", "rdme_", r"rdme_[a-z0-9]{70}", is_random),
    Form("GATEWAY_KEY", "mg", r"mg[wa]_[0-9A-Za-z]{10}_[0-9A-Za-z]{49}", is_random),
    Form("JWT", "eyj", rf"eyJ{_WORD}{{8,}}\.{_WORD}{{4,}}(?:\.{_WORD}{{0,}}){{1,3}}", is_jwt),
)  # fmt: skip


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


@lru_cache(maxsize=len(FORMS))
def _shape(expression: str) -> Any:
    """Made when a token may be of it: few ever are."""
    return pattern(expression)


def category_of(token: str) -> str:
    """Of what `vendors` found; "" for something that only looks like it."""
    data, lowered = token.encode(), token.lower()
    for form in FORMS:
        is_of_form = form.hint in lowered and _shape(form.shape).fullmatch(data)
        if is_of_form and (form.check is None or form.check(token)):
            return form.category
    return ""
