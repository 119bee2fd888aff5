"""Who is there, and with which key: HTCondor's negotiation, methods, keys, tokens and sessions.

`words` decides, `negotiation` makes and reads the ads, `keys` and `tokens` compute, `sessions`
remembers, `methods/` are dialogues. What is random comes from `chance`, the time is an argument.
"""
