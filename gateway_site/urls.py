"""The pages that Django serves."""

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from audit.export_views import download as download_export
from audit.views import audit_keys
from projects.setup import setup_view

admin.site.site_header = "Secure MCP Gateway"
admin.site.site_title = "Secure MCP Gateway"
admin.site.index_title = "Administration"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("setup/<str:token>/", setup_view, name="setup"),
    path("admin/audit/export/<uuid:uid>/download/", download_export, name="audit-export-download"),
    path("admin/", admin.site.urls),
    path(".well-known/gateway-audit-keys.json", audit_keys),
]
