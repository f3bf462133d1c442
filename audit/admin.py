"""The log's pages, one import for each file of them: importing registers them."""

from audit.pages import events  # noqa: F401
