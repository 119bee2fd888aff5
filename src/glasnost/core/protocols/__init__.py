"""State machines that live long and have several peers: ``handle(event, now) -> effects``.

Each also answers ``deadline()`` (when it wants to be told the time) and does what is due then in
``tick(now)``. None knows a socket, a clock or a source of randomness.
"""
