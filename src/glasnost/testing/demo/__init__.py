"""The main job, shown: eight connections by name across a small internet.

`cases` says what is built, connected and expected, `show` prints; `testing.world` runs the daemons,
`testing.peer` is the program at each end. ``python -m glasnost.testing.demo``
"""
