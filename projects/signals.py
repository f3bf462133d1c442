"""Announcements that audit listens to, since it stands above this app and cannot be called from here."""

from django.dispatch import Signal

# kwargs: kind (str), project (Project | None), subject (str), detail (dict without secrets), decision (str, optional)
acted = Signal()
