"""Answering HTCondor's clients: `command` finds out who wants what, and lets handlers do it."""
