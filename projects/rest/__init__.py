"""What all REST operations have in common; each app says in its own api.py what can be done."""
