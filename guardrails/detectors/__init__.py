"""One file for each detector that needs nothing from outside: a class with @detectors.add."""
