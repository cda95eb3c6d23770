"""How much memory this process can still get."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

__all__ = ["available_memory"]

_CGROUP = Path("/sys/fs/cgroup")


def available_memory() -> int | None:
    """Return the bytes that are left to this process; None where the system does not tell.

    The least of what the machine has free, swap with it, what a container may still take (version 2
    of control groups), and what a limit on the process (`ulimit -v`) leaves. Copies of files that a
    container's memory holds make room where it is asked for.
    """
    left = []
    with suppress(OSError, ValueError, IndexError):
        told = Path("/proc/meminfo").read_text(encoding="ascii")
        free = (told.split(name)[1].split()[0] for name in ("MemAvailable:", "SwapFree:"))
        left.append(1024 * sum(map(int, free)))
    with suppress(OSError, ValueError):
        most, used = ((_CGROUP / f"memory.{name}").read_text() for name in ("max", "current"))
        uses = (_CGROUP / "memory.stat").read_text().split()
        files = (uses[uses.index(name) + 1] for name in ("active_file", "inactive_file"))
        left.append(int(most) - int(used) + sum(map(int, files)))
    with suppress(ImportError, OSError, ValueError):
        import resource

        most_addressed = resource.getrlimit(resource.RLIMIT_AS)[0]
        if most_addressed != resource.RLIM_INFINITY:
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
            left.append(most_addressed - pages * resource.getpagesize())
    return max(0, min(left)) if left else None
