"""What the plugin adds to pytest's command line and configuration file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ._session import RUNNING, Options, PrivacySession

# By name: what follows on the command line, and the help.
_OPTIONS = {
    "cache": ("DIR", "keep the reference models of audits, for later runs"),
    "report": ("DIR", "save the report of each audit in a folder of DIR, under its test's name"),
    "baseline": (
        "PATH",
        "what an earlier run wrote by --privacy-report, or one audit.json: assert_private fails "
        "where surely more is given away",
    ),
    "seed": ("N", "seed of audits that give no random_state (default: 0)"),
}
_NO_RECORDS = "write reports that name nobody: no list of records"
_LARGEST_SEED = 2**32 - 1


def pytest_addoption(parser: Any) -> None:
    group = parser.getgroup("privacy", "privacy audits (mia-sklearn)")
    for name, (metavar, text) in _OPTIONS.items():
        group.addoption(f"--privacy-{name}", metavar=metavar, default=None, help=text)
        parser.addini(f"privacy_{name}", f"{text}; as --privacy-{name}", default="")
    group.addoption("--privacy-no-records", action="store_true", default=False, help=_NO_RECORDS)
    parser.addini(
        "privacy_no_records", f"{_NO_RECORDS}; as --privacy-no-records", type="bool", default=False
    )


def pytest_configure(config: Any) -> None:
    config.addinivalue_line("markers", "privacy: audits what a model gives away of its records")
    session = PrivacySession(_read(config), shared_cache=_given_by_controller(config))
    config.pluginmanager.register(session, "mia_sklearn.session")
    config.pluginmanager.register(_benchmarks(config), "mia_sklearn.benchmarks")
    RUNNING.append(session)


def pytest_unconfigure(config: Any) -> None:
    session = config.pluginmanager.get_plugin("mia_sklearn.session")
    if session in RUNNING:
        RUNNING.remove(session)
        session.close()


def _benchmarks(config: Any) -> Any:
    """Return the plugin that has the fixture for benchmarks, where they can be timed or not."""
    from . import _benchmark, _no_benchmark

    names = ("benchmark", "pytest_benchmark.plugin")
    there = any(config.pluginmanager.hasplugin(name) for name in names)
    return _benchmark if there else _no_benchmark


def _given_by_controller(config: Any) -> str | None:
    return getattr(config, "workerinput", {}).get("privacy_cache")


def _read(config: Any) -> Options:
    """Read the options, before any test runs; paths of the command line become absolute."""
    cache, report, baseline = (_path(config, name) for name in ("cache", "report", "baseline"))
    for name, folder in (("cache", cache), ("report", report)):
        if folder is not None and folder.exists() and not folder.is_dir():
            raise pytest.UsageError(f"--privacy-{name}: {folder} is a file; name a folder.")
    if baseline is not None:
        if not baseline.exists():
            raise pytest.UsageError(
                f"--privacy-baseline: there is no {baseline}. Name what --privacy-report wrote in "
                "an earlier run, or an audit.json."
            )
        if report is not None and report in (baseline, *baseline.parents):
            raise pytest.UsageError(
                f"--privacy-baseline {baseline} would be overwritten: give --privacy-report "
                "another folder, or move the baseline."
            )
    no_records = config.getoption("privacy_no_records") or config.getini("privacy_no_records")
    return Options(cache, report, baseline, _seed(config), not no_records)


def _path(config: Any, name: str) -> Path | None:
    """Return a path, those of the command line as seen from where pytest was started."""
    given = config.getoption(f"privacy_{name}")
    if given is None:
        stated = str(config.getini(f"privacy_{name}") or "").strip()
        if not stated:
            return None
        where = config.inifile if not hasattr(config, "inipath") else config.inipath
        root = Path(str(where)).parent if where else Path(str(config.rootdir))
        return (root / Path(stated).expanduser()).resolve()
    if not given.strip() or "\0" in given:
        raise pytest.UsageError(f"--privacy-{name}: {given!r} names no path.")
    if "://" in given:
        raise pytest.UsageError(f"--privacy-{name}: {given!r} is a URL. Name a folder.")
    path = (Path(str(config.invocation_params.dir)) / Path(given).expanduser()).resolve()
    # Workers of pytest-xdist, which may be at work elsewhere, are given this one.
    setattr(config.option, f"privacy_{name}", str(path))
    return path


def _seed(config: Any) -> int:
    given = config.getoption("privacy_seed")
    text = str(given if given is not None else config.getini("privacy_seed") or 0).strip()
    if not (text.isdecimal() and text.isascii() and int(text) <= _LARGEST_SEED):
        raise pytest.UsageError(
            f"--privacy-seed: give a whole number from 0 to 2**32 - 1, not {text!r}."
        )
    return int(text)
