"""The report as one page that needs nothing else: no other file, no font, no request.

Everything on it can be read without its script, which sorts and filters the list of records.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import io
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._process._docs import DOCS, finding_page
from .._process._notebook import marked
from ._gate import condition_in_words, gate_of_report
from ._glossary import glossary
from ._scale import STEPS
from ._signoff import signoff
from ._summary import Summary, summarize

if TYPE_CHECKING:
    import jinja2
    from matplotlib.figure import Figure

    from ._contents import AuditContents

TEMPLATES = Path(__file__).parent / "templates"


def render_html(
    report: AuditContents,
    fingerprint: str = "",
    *,
    records: bool = True,
    before: AuditContents | None = None,
) -> str:
    """Return the report as an HTML document.

    Parameters
    ----------
    report : AuditContents
    fingerprint : str, default=""
        Printed at the end, to tell which file of numbers the page belongs to.
    records : bool, default=True
        Whether the page may name records. The ROC curve, which names none, is drawn all the same;
        a histogram of scores may have a bar of one.
    before : AuditContents, default=None
        An earlier report, whose numbers stand beside these where it has them.

    Returns
    -------
    str
    """
    from markupsafe import Markup

    style, script = (
        (TEMPLATES / f"report.{kind}").read_text(encoding="utf-8") for kind in ("css", "js")
    )
    summary = summarize(report if records else report.without_records())
    return template_named("report.html").render(
        summary=summary,
        groups=_groups(summary),
        gate=_gate(report),
        earlier={} if before is None else _numbers(summarize(before.without_records())),
        before=None if before is None else before.info,
        glossary=glossary(summary.unit),
        style=Markup(style),
        script=Markup(script),
        policy=policy_of(style, script),
        claimed=report.info.get("claimed_dp") is not None,
        roc=_roc(report) if len(report.records) else "",
        scores=_scores(report) if records and len(report.records) else "",
        annex=signoff(report),
        fingerprint=fingerprint,
    )


def policy_of(style: str, script: str | None = None) -> str:
    """Return what a page may do: nothing but what stands on it.

    It names the one style sheet and the one script by their digests: nothing that slipped into the
    page, were escaping ever to fail, could run, load or restyle it.
    """
    runs = f"script-src '{_digest(script)}'; " if script else ""
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; {runs}img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )


def _numbers(summary: Summary) -> dict[tuple[str, str], str]:
    """Return the numbers of a report by attack, or slice, and measure."""
    rows = [(row["slice"], row) for row in summary.slices]
    rows += [(attack["attack"], row) for attack in summary.metrics for row in attack["rows"]]
    return {(name, row["measure"]): _with_interval(row) for name, row in rows}


def _with_interval(row: dict[str, str]) -> str:
    """Return an estimate with its interval; once, where the two are withheld."""
    estimate, interval = row["estimate"], row["interval"]
    return estimate if estimate == interval else f"{estimate} ({interval})"


def _gate(report: AuditContents) -> list[dict[str, str]]:
    """Return what the conditions that the audit was held to came to."""
    gate = gate_of_report(report)
    shown = []
    for each in gate["conditions"] if gate else []:
        asked, came_to = condition_in_words(each)
        outcome, reason = str(each["outcome"]), str(each.get("reason") or "")
        shown.append({"asked": asked, "outcome": outcome, "came_to": came_to, "reason": reason})
    return shown


def _groups(summary: Summary) -> list[dict[str, Any]]:
    """Return the measures of each slice, with what is shown of it where they are folded."""
    found = []
    for name, measured in groupby(summary.slices, key=lambda row: row["slice"]):
        rows = list(measured)
        first = rows[0]
        found.append(
            {
                "name": name,
                "brief": f"{first['measure']} {_with_interval(first)}",
                "sizes": f"{first['sizes']} {summary.unit.many}: members and non-members",
                "rows": rows,
            }
        )
    return found


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@functools.cache
def template_named(name: str) -> jinja2.Template:
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["moment"] = _moment
    environment.filters["marked"] = lambda text: Markup(marked(text))
    environment.globals |= {"docs": DOCS, "finding_page": finding_page, "steps": STEPS}
    return environment.get_template(name)


def _moment(text: object) -> str:
    """Return a time as people write it: 2026-11-22 10:30 UTC."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return str(text)
    zone = moment.tzname() or ""
    return f"{moment:%Y-%m-%d %H:%M} {zone}".strip()


def _roc(report: AuditContents) -> str:
    figure, ax = _figure()
    report.plot(ax)
    return _picture(figure)


def _scores(report: AuditContents) -> str:
    from ..plots import ScoreDistributionDisplay

    figure, ax = _figure()
    headline = report.info["headline"]
    ScoreDistributionDisplay.from_predictions(
        report.records["member"].to_numpy(),
        report.records[headline].to_numpy(),
        name=headline,
        ax=ax,
    )
    return _picture(figure)


def _figure() -> tuple[Figure, Any]:
    """Make a figure that no interactive backend knows of."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 4.4), layout="constrained")
    ax = figure.subplots()
    ax.spines[["top", "right"]].set_visible(False)
    return figure, ax


def _picture(figure: Figure) -> str:
    """Return the figure as a data URI, the same bytes for the same figure."""
    import matplotlib as mpl

    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "mia-sklearn", "svg.fonttype": "path"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()
