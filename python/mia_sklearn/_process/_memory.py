"""How much memory this process can still get."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

__all__ = ["available_memory"]

_CGROUP = Path("/sys/fs/cgroup")


def available_memory() -> int | None:
    """Return the bytes that are left to this process; None where the system does not tell.

    The least of what the machine has free, what a container may still take (version 2 of control
    groups), and what a limit on the process (`ulimit -v`) leaves.
    """
    left = []
    with suppress(OSError, ValueError, IndexError):
        told = Path("/proc/meminfo").read_text(encoding="ascii")
        left.append(1024 * int(told.split("MemAvailable:")[1].split()[0]))
    with suppress(OSError, ValueError):
        most, used = ((_CGROUP / f"memory.{name}").read_text() for name in ("max", "current"))
        left.append(int(most) - int(used))
    with suppress(ImportError, OSError, ValueError):
        import resource

        most_addressed = resource.getrlimit(resource.RLIMIT_AS)[0]
        if most_addressed != resource.RLIM_INFINITY:
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
            left.append(most_addressed - pages * resource.getpagesize())
    return max(0, min(left)) if left else None
