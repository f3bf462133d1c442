"""Addresses of the playground, below the admin's."""

from __future__ import annotations

from django.urls import path

from proxy.playground import pages

urlpatterns = [
    path("playground/", pages.show, name="playground"),
    path("playground/tools/", pages.tools, name="playground-tools"),
    path("playground/tool/", pages.tool, name="playground-tool"),
    path("playground/run/", pages.run, name="playground-run"),
]
