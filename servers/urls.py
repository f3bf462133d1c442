"""Addresses of the pages about servers, below the admin's."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from servers.dashboard import pages as dashboard
from servers.pages import caches, inbox, server, start, tool

_SERVER = "project/<slug:project>/server/<slug:server>/"

urlpatterns = [
    path("figures/", admin.site.admin_view(dashboard.figures), name="servers-figures"),
    path("review/", inbox.show, name="servers-inbox"),
    path("review/count/", inbox.count, name="servers-inbox-count"),
    path("review/decide/", inbox.decide, name="servers-inbox-decide"),
    path("project/<slug:project>/caches/", caches.show, name="servers-caches"),
    path("project/<slug:project>/caches/clear/", caches.clear, name="servers-caches-clear"),
    path(_SERVER, server.show, name="servers-server"),
    path(f"{_SERVER}test/", server.test, name="servers-server-test"),
    path(f"{_SERVER}read/", server.read, name="servers-server-read"),
    path(f"{_SERVER}progress/", server.progress, name="servers-server-progress"),
    path(f"{_SERVER}tool/<int:number>/", tool.show, name="servers-tool"),
    path("start/", start.begin, name="servers-start"),
    path("start/<slug:project>/server/", start.add_server, name="servers-start-server"),
    path("start/<slug:project>/server/<slug:server>/", start.reading, name="servers-start-reading"),
    path("start/<slug:project>/key/", start.issue_key, name="servers-start-key"),
    path("start/<slug:project>/key/<slug:key_id>/used/", start.used, name="servers-key-used"),
]
