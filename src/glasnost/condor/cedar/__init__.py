"""CEDAR, pure: bytes to packets, packets to values, and what keeps them secret.

`frames` cuts messages into packets, `values` writes and reads what is in a message, `ciphers`
protects packets, `datagrams` is the same over UDP. Nothing here opens a socket, reads a clock or
draws chance; `glasnost.condor.stream` puts it on a connection.
"""
