"""The report as one page that needs nothing else: no script, no font, no request."""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import io
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._summary import summarize

if TYPE_CHECKING:
    import jinja2
    from matplotlib.figure import Figure

    from ._contents import AuditContents

_TEMPLATES = Path(__file__).parent / "templates"


def render_html(report: AuditContents, fingerprint: str = "", *, records: bool = True) -> str:
    """Return the report as an HTML document.

    Parameters
    ----------
    report : AuditContents
    fingerprint : str, default=""
        Printed at the end, to tell which file of numbers the page belongs to.
    records : bool, default=True
        Whether the page may name records. Curves, which name none, are drawn all the same.

    Returns
    -------
    str
    """
    from markupsafe import Markup

    style = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
    # The policy names the one style sheet by its digest: nothing that slipped into the page,
    # were escaping ever to fail, could run, load or restyle it.
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return _template().render(
        summary=summarize(report if records else replace(report, records=report.records.iloc[:0])),
        style=Markup(style),
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'none'",
        roc=_roc(report) if len(report.records) else "",
        scores=_scores(report) if len(report.records) else "",
        fingerprint=fingerprint,
    )


def render_notebook(report: AuditContents) -> str:
    """Return the page in a frame, so that its style and the notebook's stay apart."""
    page = html.escape(render_html(report), quote=True)
    return (
        f'<iframe srcdoc="{page}" sandbox title="Membership-inference audit" '
        'width="100%" height="720" frameborder="0"></iframe>'
    )


@functools.cache
def _template() -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")


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
