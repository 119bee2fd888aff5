"""Keys, certificates, identities, join tokens and signatures: who may say what.

Knows no sockets and no clock: callers pass ``now`` (seconds since 1970). What does not hold is a
`TrustError` with a sentence.

A pool's root certifies nodes, a node certifies its services and users, and every certificate says
in its name constraints what lies below it: any TLS library that knows the pool's root refuses a
leaf that its node had no right to issue.
"""
