"""The soak: a pool of many hosts, random transfers, and trouble all the time, for minutes.

Every transfer is whole, or failed with a named error; and in the end nothing has grown. `hosts`
builds, `trouble` breaks and mends, `run` watches and judges, `show` prints. `make soak`
"""
