"""One file for each service that can be asked: a class with @providers.add."""
