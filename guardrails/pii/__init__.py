"""Finds personal data: by checksum and structure, by the key or word beside it, and by the grammar around it."""
