"""Where things lie on this host: the state directory holds keys and what a node was told when it
joined, the run directory holds sockets. A program that only asks its agent imports no more."""

from __future__ import annotations

import os


def home() -> str:
    """Where keys and settings lie: ``GLASNOST_HOME``, or the system's usual place."""
    if set_to := os.environ.get("GLASNOST_HOME"):
        return set_to
    if os.getuid() == 0:
        return "/var/lib/glasnost"
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return os.path.join(state, "glasnost")


def settings_file(home: str | os.PathLike[str]) -> str:
    """Where settings are read from, if it is there: ``GLASNOST_CONFIG``, or in the home."""
    return os.environ.get("GLASNOST_CONFIG", os.path.join(home, "glasnost.toml"))


def run(setting: str = "") -> str:
    """Where sockets lie: the setting, ``GLASNOST_RUN``, or the system's usual place."""
    if set_to := setting or os.environ.get("GLASNOST_RUN"):
        return set_to
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        return os.path.join(runtime, "glasnost")
    return "/run/glasnost" if os.getuid() == 0 else os.path.join(home(), "run")
