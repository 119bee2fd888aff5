"""Where roles keep what must survive a restart. Nothing here decides: it loads and commits."""
