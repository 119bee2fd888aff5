"""Bytes and messages: what Glasnost's peers say to each other.

`header` is what stands in the clear before a stream (the shared port reads it), `frames` cuts a
byte stream into messages, `messages` says what the messages are. docs/protocol/ is the prose.
"""
