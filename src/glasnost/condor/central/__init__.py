"""A pool's central manager, as far as networking goes: HTCondor's collector and its broker."""
