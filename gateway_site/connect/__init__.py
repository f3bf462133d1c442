"""The stdio face: a client that only starts programs (Claude Desktop) uses the gateway. Needs no Django, no database.

It runs at a person's desk with that person's key: there are no tenants to keep apart, and the address is the person's
own choice, so the gateway's rules for outbound traffic are not asked. `link` is the only module that speaks HTTP.
"""
