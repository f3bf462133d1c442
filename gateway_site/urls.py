"""The pages that Django serves."""

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from audit.export_views import download as download_export
from audit.views import audit_keys
from gateway_site.api import api
from projects.setup import setup_view
from projects.signin.invitation_pages import accept as accept_invitation


def nothing(request: HttpRequest) -> HttpResponse:
    """So that no address of REST is taken for one that lacks its slash."""
    raise Http404


# Those of a worker, which had no use for them until now.
admin.autodiscover()

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("setup/<str:token>/", setup_view, name="setup"),
    path("invite/<str:token>/", accept_invitation, name="invite"),
    path("admin/audit/export/<uuid:uid>/download/", download_export, name="audit-export-download"),
    path("admin/", include("servers.urls")),
    path("admin/", include("proxy.urls")),
    path("admin/", admin.site.urls),
    path("api/v1/", api.urls),
    re_path("^api(?:/|$)", nothing),
    path(".well-known/gateway-audit-keys.json", audit_keys),
]
