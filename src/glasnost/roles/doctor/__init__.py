"""Gathers what `core.doctor` judges: `host` looks at this host alone, `pool` asks others.

Nothing here decides whether a fact is good or bad.
"""
