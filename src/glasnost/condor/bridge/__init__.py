"""An unmodified pool of HTCondor's, seen as Glasnost sees things: its daemons' ads become records
of the bridge's node, which vouches for them and keeps them fresh."""
