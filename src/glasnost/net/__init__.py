"""Sockets, and what moves bytes through them: the only folder that opens any.

`sockets` connects and listens, `exact` reads headers and not one byte more, `tls` and `channel`
carry streams and messages, `port` is the shared port, `fdpass` hands descriptors over, `relay`
copies, `race` tries several ways, `interfaces` says what this host has.
"""
