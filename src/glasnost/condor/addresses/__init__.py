"""HTCondor's addresses: Sinful strings, original and v1, and what they are as Glasnost's."""
