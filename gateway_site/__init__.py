"""The composition root: settings, routes, servers and the command that runs everything."""
