"""The log's pages, one import for each file of them: importing registers them."""

from audit import export_pages, forward_pages, people_admin  # noqa: F401  registers their pages
from audit.pages import events  # noqa: F401  the same
