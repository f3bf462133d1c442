"""`manage.py openapi`: the document of the REST interface, as docs/openapi.json has it."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand
from ninja.responses import NinjaJSONEncoder


class Command(BaseCommand):
    help = "Prints the OpenAPI document of the REST interface."

    def handle(self, *args: Any, **options: Any) -> None:
        # Every operation of every app, which nobody needs who only asks what commands there are.
        from gateway_site.api import api

        document = api.get_openapi_schema()
        self.stdout.write(json.dumps(document, cls=NinjaJSONEncoder, indent=1, sort_keys=True, ensure_ascii=False))
