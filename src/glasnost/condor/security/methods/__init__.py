"""Ways to say who one is: one file each, a client's and a server's dialogue in it.

`kinds` names them, `base` is what a dialogue is told and what comes of it, `rounds` finds the one
that both sides can.
"""
