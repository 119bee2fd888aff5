"""The four roles as libraries: each serves connections that are handed to its ``take()``."""
