"""A lab to walk around in: ``python -m glasnost.testing.lab [HOST] [--run COMMAND]``.

Builds a sample internet, prints it, and gives a shell on one of its hosts. When
the shell ends, the lab is gone.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys

from glasnost.testing.lab import Host, Lab, LabError, LabUnavailable, enter_user_namespace

_CANNOT_RUN_HERE = 3


def sample(lab: Lab) -> None:
    """Two sites behind NAT with the same private range, a public host, one with IPv6 only."""
    lab.host("cm")
    lab.host("six", ip4=False)
    lab.host("far", delay=0.020, loss=0.01)
    home = lab.site("home", nat="masquerade", inbound="drop")
    lab.host("node7", home)
    lab.host("node8", home)
    office = lab.site("office", nat="random", inbound="reject", ip6=True)
    lab.host("node9", office)
    lab.host("gate", office, public=True)


def shell(lab: Lab, host: Host) -> int:
    """An interactive shell on the host; its prompt says which."""
    print(lab)
    print(f"\nThis shell is on {host.name}. The others are reached from it with:\n")
    for other in lab.hosts.values():
        print(f"  {other.name:8}  {_enter(other)}")
    if not _is_initial_user_namespace():
        join = f"--user=/proc/{os.getpid()}/ns/user --preserve-credentials"
        print(f"\nFrom another terminal the same, with this behind nsenter: {join}")
    print("\nLeave with exit or Ctrl-D; the lab goes with it.\n", flush=True)
    environment = {**os.environ, "PS1": f"{host.name}$ ", "GLASNOST_LAB_HOST": host.name}
    command = ["/bin/sh", "-i"]
    process = host.popen(command, env=environment, start_new_session=False)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # for the program in the shell, not for the lab


def _enter(host: Host) -> str:
    """A command that enters a host."""
    prompt = shlex.quote(f"PS1={host.name}$ ")
    return f"nsenter --net=/proc/{os.getpid()}/fd/{host.namespace} env {prompt} sh -i"


def _is_initial_user_namespace() -> bool:
    """The kernel's own user namespace maps every id to itself."""
    with open("/proc/self/uid_map") as file:
        return file.read().split() == ["0", "0", "4294967295"]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m glasnost.testing.lab", description=__doc__)
    parser.add_argument("host", nargs="?", default="node7", help="where the shell is")
    parser.add_argument("--run", metavar="COMMAND", help="run this there instead of a shell")
    options = parser.parse_args(arguments)
    try:
        enter_user_namespace()
        with Lab() as lab:
            sample(lab)
            if options.host not in lab.hosts:
                parser.error(f"no host {options.host!r} here; there are {', '.join(lab.hosts)}")
            host = lab.hosts[options.host]
            lab.up()
            if options.run is None:
                return shell(lab, host)
            print(lab, file=sys.stderr)
            return host.run(["/bin/sh", "-c", options.run]).returncode
    except LabUnavailable as error:
        print(f"glasnost: error: no lab can run here: {error}", file=sys.stderr)
        return _CANNOT_RUN_HERE
    except LabError as error:
        print(f"glasnost: error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
