"""The composition root: settings, routes, servers and the command that runs everything."""

from gateway_site.lib.imports import import_structlog, put_off_protocol

import_structlog()
put_off_protocol()
