"""For programs that know nothing of us: their bytes are copied, on their own host."""
