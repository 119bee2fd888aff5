"""HTCondor's configuration in a folder of its own, and a host that has nothing else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from glasnost.condor.config import Host


def host_in(folder: Path, variables: Mapping[str, str] | None = None, root: bool = False) -> Host:
    """A host whose first file is ``folder/condor_config``, and whose user lives in the folder."""
    return Host(
        environ={"CONDOR_CONFIG": str(folder / "condor_config"), **(variables or {})},
        home=str(folder / "home"),
        condor_home="",
        user="ada",
        uid=os.getuid(),
        gid=4712,
        is_root=root,
        hostname=lambda: "node7.example.org",
        root=str(folder / "nowhere"),
    )


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """Files by their name in the folder; FOLDER in a text is the folder's own name."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("FOLDER", str(folder)))
    return folder
