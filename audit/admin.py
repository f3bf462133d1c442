"""The log's pages, one import for each file of them: importing registers them."""

from audit import people_admin  # noqa: F401
from audit.pages import events  # noqa: F401
