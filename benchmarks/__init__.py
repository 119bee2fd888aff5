"""Measurements, each against a baseline in the same run: ``make bench``.

Machines are shared and noisy, so the ratio is the figure to trust; absolute figures stand beside.
"""
