"""The composition root: settings, routes, servers and the command that runs everything."""

from gateway_site.lib.imports import ask_for_small_pages, import_structlog, put_off_protocol

ask_for_small_pages()
import_structlog()
put_off_protocol()
