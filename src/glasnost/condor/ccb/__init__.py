"""HTCondor's connection broker (CCB): targets that register, requesters, dial-backs and relays.

`core` decides, `ads` are its messages, `registry` the ids and cookies that outlive a connection,
`server` carries out.
"""
