"""HTCondor's shared port: its header at our port, and sockets for its daemons."""
