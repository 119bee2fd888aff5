"""The four roles as processes: settings, a role, and the host's shared port."""
