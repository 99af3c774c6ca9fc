"""Figures and tables of the lesson on leaks and locks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from fedkit.audit.canary import AuditResult
from fedkit.core import formatting
from fedkit.core.formatting import figure_text
from fedkit.lessons.security import (
    LISTED,
    SCHEMES,
    TEXTS,
    WORDS,
    AttackedHead,
    EncryptedUpdate,
    SchemeCost,
)
from fedkit.plots import charts, panel
from fedkit.plots.labels import Label, label_lines
from fedkit.plots.theme import (
    BLUE,
    GREY,
    GRID,
    INK,
    MUTED,
    ORANGE,
    PINK,
    SIZE,
    font,
    key_above,
    layout,
    note,
)

LEAK, SAFE = ORANGE, BLUE
SHADES = [[0.0, "#ffffff"], [1.0, LEAK]]  # nothing read to everything read
COLUMNS = (WORDS, TEXTS, LISTED)


def split_words(text: str) -> list[str]:
    """Return words and punctuation marks, one by one."""
    return re.findall(r"\w+|[^\w\s]", text)


def match_words(original: str, recovered: str) -> list[tuple[str, bool]]:
    """Return (word of the original, whether it was recovered), without regard to case."""
    left, out = Counter(split_words(recovered.lower())), []
    for word in split_words(original):
        out.append((word, left[word.lower()] > 0))
        left[word.lower()] -= 1
    return out


def recovered_text(original: str, recovered: Mapping[str, str]) -> str:
    """Return HTML: the client's text, and below it, for each attack, which words were recovered."""
    held = [(word, None) for word in split_words(original)]
    rows: list[tuple] = [("What the site holds", held, "")]
    for name, text in recovered.items():
        marked = match_words(original, text)
        share = sum(found for _, found in marked) / max(1, len(marked))
        rows.append((name, marked, formatting.percent(share, 0)))
    return _render_table("reading", rows)


def _render_table(name: str, rows: Sequence[Sequence[Any]]) -> str:
    return panel.render("fedkit.lessons", name, rows=rows, grid=GRID, leak=LEAK)


def leak_heatmap(
    found: Mapping[str, Mapping[str, float]],
    sentence: str,
    parts: Mapping[str, Sequence[str]] | None = None,
) -> go.Figure:
    """Draw a row per defence and a column per thing read; darker means that more was read.

    parts: {heading: defences}, to draw them in groups; None: one group.
    """
    parts = parts or {"": list(found)}
    fig, y, names = go.Figure(), 0.0, {}
    for heading, defences in parts.items():
        if heading:
            text = f"<b>{figure_text(heading, 60)}</b>"
            note(fig, text, -0.5, y, xanchor="left", font=font(MUTED))
            y -= 0.9
        for defence in defences:
            _leak_row(fig, defence, found[defence], y)
            names[y] = figure_text(defence)
            y -= 1
    layout(fig, sentence, "", None, None, 60 + int(34 * -y), top=36)
    heads = {"tickvals": [0, 1, 2], "ticktext": [f"<b>{c}</b>" for c in COLUMNS]}
    fig.update_xaxes(side="top", showgrid=False, tickfont=font(), range=[-0.5, 2.5], **heads)
    charts.name_rows(fig, list(names.values()), list(names))
    return fig.update_yaxes(range=[y + 0.4, 0.6])


def _leak_row(fig: go.Figure, defence: str, values: Mapping[str, float], y: float) -> None:
    shares = [100 * values[c] for c in COLUMNS]
    words = [f"{share:.0f} %" for share in shares]
    if shares[0] > 50 and values["whose"] < 0.75:
        words[0] += ", but whose?"
    gaps = {"dy": 0.9, "y0": y, "xgap": 3, "ygap": 3, "zmin": 0, "zmax": 100}
    hover = figure_text(defence) + ": %{z:.0f} %<extra></extra>"
    fig.add_trace(charts.heat_map([shares], [0, 1, 2], [y], SHADES, hovertemplate=hover, **gaps))
    for x, (share, text) in enumerate(zip(shares, words)):
        note(fig, text, x, y, font=font("#ffffff" if share > 60 else INK))


def sum_strips(
    views: Mapping[str, np.ndarray], truth: np.ndarray, sentence: str, shown: int = 90
) -> go.Figure:
    """Draw a strip per moment: the sum as the server holds it, ordered by the true sum.

    Order means that it is readable. Each strip is coloured by rank, from its lowest to its highest
    number; at the right the correlation and the largest number.
    """
    order = np.argsort(truth)[np.linspace(0, len(truth) - 1, min(shown, len(truth))).astype(int)]
    ranks = [np.argsort(np.argsort(view[order])) for view in views.values()]
    likeness = {n: float(np.corrcoef(view, truth)[0, 1]) for n, view in views.items()}
    rows = charts.rows_of(views)
    colours = [[0, SAFE], [0.5, "#ffffff"], [1, LEAK]]
    fig = go.Figure(charts.heat_map(ranks, None, rows, colours, ygap=4, hoverinfo="skip"))
    side = {"xref": "paper", "xanchor": "left", "align": "left", "xshift": 8}
    for row, (name, view) in zip(rows, views.items()):
        words = f"{formatting.percent(max(0.0, likeness[name]), 0)} like the true sum"
        most = float(np.abs(view).max())
        words += f"<br>largest {f'{most:,.0f}' if most >= 100 else f'{most:.2g}'}"
        note(fig, words, 1, row, font=font(INK, SIZE - 1), **side)
    title = "Numbers of the sum, those with the lowest true value first"
    layout(fig, sentence, "", title, None, 60 + 44 * len(rows), right=170)
    fig.update_xaxes(showticklabels=False)
    charts.name_rows(fig, [figure_text(name) for name in views])
    return fig.update_yaxes(range=None)


def encrypted_size_bars(found: Sequence[EncryptedUpdate], sentence: str) -> go.Figure:
    """Draw plain and encrypted bytes of each update (log axis); scaled values are hatched."""
    fig, names = go.Figure(), {}
    for place, one in enumerate(found):
        y = 3 * (len(found) - place)
        hatch = "" if one.measured else "/"
        quick = one.seconds < 1
        took = f"{1e3 * one.seconds:.0f} ms" if quick else formatting.seconds(one.seconds)
        work = f", {took} of work" + " (reckoned)" * bool(hatch)
        reckoned = {"pattern": {"shape": hatch}}
        bars = (
            (y + 1, one.plain_bytes, GREY, {"pattern": {"shape": ""}}, "plain", ""),
            (y, one.nbytes, SAFE, reckoned, "encrypted", work),
        )
        for row, nbytes, colour, marker, what, more in bars:
            words = formatting.byte_size(nbytes) + more
            style = {"text": words, "textposition": "outside", "textfont": font()}
            style |= {"hovertemplate": f"{figure_text(one.name)}, {what}<extra></extra>"}
            look = {"width": 0.9, "cliponaxis": False, "marker": marker}
            fig.add_trace(charts.h_bars([nbytes], [row], colour, **look, **style))
        names[y + 0.5] = f"<b>{figure_text(one.name)}</b><br>{one.numbers:,} numbers"
    title = "Bytes that a site sends in a round (log scale)"
    layout(fig, sentence, "", title, None, 130 + 92 * len(found), top=44)
    top = max(one.nbytes for one in found)
    ticks = [10.0**d for d in range(3, 12) if 10.0**d <= 10 * top]
    words = [formatting.byte_size(tick) for tick in ticks]
    ends = [3.0, np.log10(top) + 2.2]
    fig.update_xaxes(type="log", range=ends, tickvals=ticks, ticktext=words)
    charts.name_rows(fig, list(names.values()), list(names))
    fig.update_yaxes(range=None)
    marks = {"plain": ("■", GREY), "encrypted": ("■", SAFE), "reckoned, not measured": ("▨", SAFE)}
    return key_above(fig, marks)


def roc_curves(found: Mapping[str, AttackedHead], sentence: str) -> go.Figure:
    """Draw true-positive against false-positive rate (log), with the bound of the noise."""
    grid = np.geomspace(1e-3, 1, 61)
    fig, labels = go.Figure(), []
    charts.draw_curve(fig, grid, grid, MUTED, dash="dot")
    fig.add_vline(x=0.01, line={"color": GRID, "width": 2}, layer="below")
    for (name, one), colour in zip(found.items(), (LEAK, SAFE, PINK)):
        roc = one.attack.roc
        tpr = np.array([roc.tpr[roc.fpr <= x * 1.001].max(initial=0.0) for x in grid])
        # finer than one false alarm: not measured
        tpr[(grid < 1 / one.attack.others) | (tpr <= 0)] = np.nan
        hover = f"{figure_text(name)}: %{{y:.1%}} found at %{{x:.2%}} false alarms"
        charts.draw_curve(fig, grid, tpr, colour, 3, hover)
        at = roc.at[0.01]
        whisker = charts.error_bar([at.value], [at.low], [at.high], colour, 2, 6)
        charts.draw_dots(fig, [0.01], [max(at.value, 5e-4)], colour, 11, error_y=whisker)
        found_share = formatting.percent(at.value)
        labels.append(Label(float(np.log10(max(at.value, 1e-3))), found_share, name, colour))
        if one.bound:
            bound, most = [one.bound(float(x)) for x in grid], one.bound(0.01)
            charts.draw_curve(fig, grid, bound, colour, dash="dash")
            number = f"any attack: {formatting.percent(most)}"
            labels.append(Label(float(np.log10(most)), number, f"at most, {name}", colour))
    x, y = "Others wrongly called members (log scale)", "Members found (log scale)"
    layout(fig, sentence, "", x, y, 460, right=210)
    shares = [0.001, 0.01, 0.1, 1]
    ticks = {"type": "log", "tickvals": shares, "ticktext": [f"{100 * s:g} %" for s in shares]}
    fig.update_xaxes(range=[-3, 0], **ticks)
    fig.update_yaxes(range=[-3, 0.05], **ticks)
    small = font(MUTED, SIZE - 1)
    note(fig, "guessing", np.log10(0.2), np.log10(0.14), font=small)
    note(fig, "judged here: 1 %", -2, 0.02, yanchor="bottom", font=small)
    label_lines(fig, labels, 380, -3, 0.05)
    return fig


def audit_bars(found: Mapping[str, AuditResult], sentence: str) -> go.Figure:
    """Draw per audit the epsilon proven (bar), the most provable (line), the promise (diamond)."""
    fig = go.Figure()
    tick = {"symbol": "line-ns-open", "opacity": [0, 1]}
    for row, one in zip(charts.rows_of(found), found.values()):
        colour = LEAK if one.caught else SAFE
        line = {"mode": "lines+markers", "line": {"color": GREY, "width": 2}}
        charts.draw_dots(fig, [0, one.most], [row, row], MUTED, 14, marker=tick, **line)
        fig.add_trace(charts.h_bars([one.lower], [row], colour, width=0.34, hoverinfo="skip"))
        charts.draw_dots(fig, [one.upper], [row], INK, 15, marker={"symbol": "diamond"})
        verdict = "broken" if one.caught else "nothing against it"
        proven = f"proven {one.lower:.2f} of at most {one.most:.2f}"
        words = f"<b>{verdict}</b>: promised {one.upper:.2f}, {proven}"
        colour = LEAK if one.caught else INK
        note(fig, words, 0, row, xanchor="left", yshift=22, font=font(colour))
    delta = next(iter(found.values())).delta
    layout(fig, sentence, "", f"ε at δ = {delta:g}", None, 110 + 84 * len(found), top=44)
    charts.name_rows(fig, [figure_text(n, 60).replace(" | ", "<br>") for n in found])
    fig.update_xaxes(range=[0, 1.06 * max(max(one.most, one.upper) for one in found.values())])
    marks = {"proven by the attack": ("▬", SAFE), "promised": ("◆", INK)}
    return key_above(fig, marks | {"most it could have shown": ("—", GREY)})


def scheme_table(found: Sequence[SchemeCost]) -> str:
    """Return HTML: per scheme who is trusted, what is seen, what the model reveals, its cost."""
    rows = []
    for one in found:
        scheme = SCHEMES[one.scheme]
        sent = f"{formatting.byte_size(one.sent)} in {one.rounds} rounds"
        told = (one.scheme, scheme.trusted, scheme.server_sees, scheme.model_reveals)
        right, took = formatting.percent(one.accuracy), formatting.seconds(one.seconds)
        rows.append((*told, right, "-" if one.scheme.startswith("all in") else sent, took))
    return _render_table("schemes", rows)
