#!/usr/bin/env python
"""Django's command line for the gateway."""

from gateway_site.main import main

if __name__ == "__main__":
    main()
