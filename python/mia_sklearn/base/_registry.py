"""A list of all classes with one base, ours and those of other packages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from pkgutil import resolve_name
from typing import Any, ClassVar, Generic, TypeVar

__all__ = ["Listed", "Registry"]

_OURS = "mia-sklearn"


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One class of a registry.

    What a subclass adds is what the class itself states, in attributes of the same names.
    """

    #: What the classes are, in one word.
    kind: ClassVar[str]

    #: Short name.
    name: str
    #: Where the class is: its module and its name, with a colon between.
    path: str
    #: The distribution that brings it.
    source: str = _OURS
    #: Why a class of another package cannot be used; empty where it can.
    unavailable: str = ""

    @property
    def class_name(self) -> str:
        return self.path.rpartition(":")[2]

    @property
    def summary(self) -> str:
        """What it does: the first line of the class's documentation."""
        return (self.load().__doc__ or "").strip().partition("\n")[0].rstrip(".")

    def load(self) -> Any:
        """Return the class, imported when it is asked for.

        Returns
        -------
        type

        Raises
        ------
        ImportError
            If it needs a package that is not installed, and names the extra; or if the package
            that brings it cannot be used, and says why.
        """
        if self.unavailable:
            raise ImportError(f"The {self.kind} {self.name!r} is {self.unavailable}")
        return resolve_name(self.path)

    def as_stated_by(self, owner: type) -> Any:
        """Return the same with what a class states itself.

        Parameters
        ----------
        owner : type

        Returns
        -------
        entry of the registry
        """
        own = {field.name for field in fields(self)} - {field.name for field in fields(Listed)}
        stated = {name: getattr(owner, name) for name in own if hasattr(owner, name)}
        stated = {n: tuple(v) if isinstance(v, list) else v for n, v in stated.items()}
        return replace(self, **stated)


L = TypeVar("L", bound=Listed)


class Registry(Generic[L]):
    """All classes that have one base.

    Parameters
    ----------
    entry : subclass of Listed
    base : type
    home : str
        The module that exports our own classes.
    names : mapping of str to str
        Our own: their short names, and what their classes are called.
    check : callable `(class)`
        Raises if a class states something that does not exist.
    late : mapping of str to dict, default=None
        What those of our own classes state that are not imported to be listed, by short name.
    """

    def __init__(
        self,
        entry: type[L],
        base: type,
        *,
        home: str,
        names: Mapping[str, str],
        check: Callable[[Any], None],
        late: Mapping[str, dict[str, Any]] | None = None,
    ) -> None:
        self.entry = entry
        self.base = base
        self.home = home
        self.names = names
        self.check = check
        self.late = late or {}

    @property
    def group(self) -> str:
        """The group of entry points by which other packages register."""
        return f"mia_sklearn.{self.entry.kind}s"

    def classes_of_networks(self) -> list[str]:
        """Return the names of the classes that are imported when they are asked for."""
        return [self.names[name] for name in self.late]

    @cached_property
    def own(self) -> dict[str, L]:
        """Our own classes, by name, in the order of the registry."""
        return {name: self._own(name, title) for name, title in self.names.items()}

    def _own(self, name: str, title: str) -> L:
        info = self.entry(name=name, path=f"{self.home}:{title}")
        if name in self.late:
            return replace(info.as_stated_by(self.base), **self.late[name])
        return info.as_stated_by(info.load())

    def all(self, taken: Iterable[L] = ()) -> list[L]:
        """Return our own classes, then those of other packages by name.

        Parameters
        ----------
        taken : iterable of entries, default=()
            Names that no other package may use either.

        Raises
        ------
        ValueError
            If two have one name; names the distributions that bring them.
        """
        found = {info.name: info for info in (*self.own.values(), *taken)}
        others = []
        for point in sorted(entry_points(group=self.group), key=lambda point: point.name):
            info = self._of_other_package(point)
            other = found.setdefault(info.name, info)
            if other is info:
                others.append(info)
            elif (other.path, other.source) != (info.path, info.source):
                kind = self.entry.kind
                raise ValueError(
                    f"Two {kind}s are named {info.name!r}: {other.path} of {other.source} and "
                    f"{info.path} of {info.source}. Uninstall one of these distributions, or have "
                    f"one of them rename its entry point of {self.group!r}."
                )
        return [*self.own.values(), *others]

    def _of_other_package(self, point: EntryPoint) -> L:
        source = point.dist.name if point.dist else point.value
        info = self.entry(name=point.name, path=f"{point.module}:{point.attr}", source=source)
        try:
            loaded = point.load()
            if not (isinstance(loaded, type) and issubclass(loaded, self.base)):
                raise TypeError(f"{point.value} is no subclass of {self.base.__name__}")
            self.check(loaded)
            return info.as_stated_by(loaded)
        except Exception as error:
            reason = f"unavailable: {source} cannot be used ({type(error).__name__}: {error})."
            return replace(info, unavailable=reason)
