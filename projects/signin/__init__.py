"""Signing in to the pages: second factors, passkeys, lock-out, sessions and invitations."""
