"""Figures and tables of the lesson on leaks and locks."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Mapping, Sequence

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
from fedkit.plots.labels import Label, label_lines
from fedkit.plots.theme import FONT, GRID, INK, MUTED, SIZE, key_above, layout

LEAK, SAFE, GREY = "#d55e00", "#0072b2", "#aab4c0"
SHADES = [[0.0, "#ffffff"], [1.0, LEAK]]  # nothing read to everything read
WORD = "display: inline-block; padding: 0 4px; margin: 1px; line-height: 1.7; border-radius: 3px; "
HIT, MISS = f"background: {LEAK}; color: #fff", f"background: {GRID}; color: {MUTED}"


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
    rows = [_row("What the site holds", "".join(_word(w, None) for w in split_words(original)), "")]
    for name, text in recovered.items():
        marked = match_words(original, text)
        share = sum(found for _, found in marked) / max(1, len(marked))
        words = "".join(_word(w if found else "·" * len(w), found) for w, found in marked)
        rows.append(_row(name, words, formatting.percent(share, 0)))
    key = (
        f"<span style='{WORD}{HIT}'>read from the update</span> "
        f"<span style='{WORD}{MISS}'>·····</span> not read"
    )
    return (
        f"<div style='font: {SIZE}px/2 {html.escape(FONT)}; color: {INK}'>"
        f"<table>{''.join(rows)}</table>{key}</div>"
    )


def leak_heatmap(
    found: Mapping[str, Mapping[str, float]],
    sentence: str,
    parts: Mapping[str, Sequence[str]] | None = None,
) -> go.Figure:
    """Draw a row per defence and a column per thing read; darker means that more was read.

    parts: {heading: defences}, to draw them in groups; None: one group.
    """
    parts = parts or {"": list(found)}
    columns, fig, y, ticks = (WORDS, TEXTS, LISTED), go.Figure(), 0.0, {}
    for heading, defences in parts.items():
        if heading:
            fig.add_annotation(
                x=-0.5,
                y=y,
                text=f"<b>{figure_text(heading, 60)}</b>",
                showarrow=False,
                xanchor="left",
                font={"size": SIZE, "color": MUTED},
            )
            y -= 0.9
        for defence in defences:
            values = [100 * found[defence][c] for c in columns]
            words = [f"{v:.0f} %" for v in values]
            if values[0] > 50 and found[defence]["whose"] < 0.75:
                words[0] += ", but whose?"
            fig.add_heatmap(
                z=[values],
                x=[0, 1, 2],
                y=[y],
                zmin=0,
                zmax=100,
                colorscale=SHADES,
                showscale=False,
                dy=0.9,
                y0=y,
                xgap=3,
                ygap=3,
                hovertemplate=figure_text(defence) + ": %{z:.0f} %<extra></extra>",
            )
            for x, (value, text) in enumerate(zip(values, words)):
                fig.add_annotation(
                    x=x,
                    y=y,
                    text=text,
                    showarrow=False,
                    font={"size": SIZE, "color": "#ffffff" if value > 60 else INK},
                )
            ticks[y] = figure_text(defence)
            y -= 1
    layout(fig, sentence, "", None, None, 60 + int(34 * -y), top=36)
    fig.update_xaxes(
        tickvals=[0, 1, 2],
        ticktext=[f"<b>{c}</b>" for c in columns],
        side="top",
        showgrid=False,
        tickfont={"size": SIZE, "color": INK},
        range=[-0.5, 2.5],
    )
    fig.update_yaxes(
        tickvals=list(ticks),
        ticktext=list(ticks.values()),
        showgrid=False,
        range=[y + 0.4, 0.6],
        tickfont={"size": SIZE, "color": INK},
    )
    return fig


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
    rows = list(range(len(views)))[::-1]
    fig = go.Figure(
        go.Heatmap(
            z=ranks,
            y=rows,
            showscale=False,
            ygap=4,
            colorscale=[[0, SAFE], [0.5, "#ffffff"], [1, LEAK]],
            hoverinfo="skip",
        )
    )
    for row, (name, view) in zip(rows, views.items()):
        words = f"{formatting.percent(max(0.0, likeness[name]), 0)} like the true sum"
        fig.add_annotation(
            x=1,
            xref="paper",
            y=row,
            text=f"{words}<br>largest {_largest_number(view)}",
            showarrow=False,
            xanchor="left",
            align="left",
            xshift=8,
            font={"size": SIZE - 1, "color": INK},
        )
    layout(
        fig,
        sentence,
        "",
        "Numbers of the sum, those with the lowest true value first",
        None,
        60 + 44 * len(rows),
        right=170,
    )
    fig.update_xaxes(showticklabels=False)
    fig.update_yaxes(
        tickvals=rows,
        ticktext=[figure_text(n) for n in views],
        showgrid=False,
        tickfont={"size": SIZE, "color": INK},
    )
    return fig


def encrypted_size_bars(found: Sequence[EncryptedUpdate], sentence: str) -> go.Figure:
    """Draw plain and encrypted bytes of each update (log axis); scaled values are hatched."""
    fig, names, low = go.Figure(), [], 1e3
    for i, one in enumerate(found):
        y = 3 * (len(found) - i)
        for step, nbytes, colour, what in (
            (1, one.plain_bytes, GREY, "plain"),
            (0, one.nbytes, SAFE, "encrypted"),
        ):
            hatch = "" if one.measured or colour != SAFE else "/"
            text = formatting.megabytes(nbytes / 1e6) + (
                f", {_seconds_text(one.seconds)} of work" if colour == SAFE else ""
            )
            fig.add_bar(
                x=[nbytes],
                y=[y + step],
                orientation="h",
                width=0.9,
                text=text + (" (reckoned)" if hatch else ""),
                textposition="outside",
                cliponaxis=False,
                textfont={"size": SIZE, "color": INK},
                marker={"color": colour, "pattern": {"shape": hatch}},
                hovertemplate=f"{figure_text(one.name)}, {what}<extra></extra>",
            )
        names.append((y + 0.5, f"<b>{figure_text(one.name)}</b><br>{one.numbers:,} numbers"))
    layout(
        fig,
        sentence,
        "",
        "Bytes that a site sends in a round (log scale)",
        None,
        130 + 92 * len(found),
        top=44,
    )
    top = max(one.nbytes for one in found)
    ticks = [10.0**d for d in range(3, 12) if 10.0**d <= 10 * top]
    fig.update_xaxes(
        type="log",
        range=[np.log10(low), np.log10(top) + 2.2],
        tickvals=ticks,
        ticktext=[formatting.megabytes(t / 1e6) for t in ticks],
    )
    fig.update_yaxes(
        tickvals=[y for y, _ in names],
        ticktext=[n for _, n in names],
        showgrid=False,
        tickfont={"size": SIZE, "color": INK},
    )
    return key_above(
        fig, {"plain": ("■", GREY), "encrypted": ("■", SAFE), "reckoned, not measured": ("▨", SAFE)}
    )


def roc_curves(found: Mapping[str, AttackedHead], sentence: str) -> go.Figure:
    """Draw true-positive against false-positive rate (log), with the bound of the noise."""
    grid = np.geomspace(1e-3, 1, 61)
    fig, labels = go.Figure(), []
    fig.add_scatter(
        x=grid,
        y=grid,
        mode="lines",
        line={"color": MUTED, "dash": "dot", "width": 2},
        hoverinfo="skip",
    )
    fig.add_vline(x=0.01, line={"color": GRID, "width": 2}, layer="below")
    for (name, one), colour in zip(found.items(), (LEAK, SAFE, "#cc79a7")):
        roc = one.attack.roc
        tpr = np.array([roc.tpr[roc.fpr <= x * 1.001].max(initial=0.0) for x in grid])
        # finer than one false alarm: not measured
        tpr[(grid < 1 / one.attack.others) | (tpr <= 0)] = np.nan
        fig.add_scatter(
            x=grid,
            y=tpr,
            mode="lines",
            line={"color": colour, "width": 3},
            hovertemplate=figure_text(name)
            + ": %{y:.1%} found at %{x:.2%} false alarms<extra></extra>",
        )
        at = roc.at[0.01]
        fig.add_scatter(
            x=[0.01],
            y=[max(at.value, 5e-4)],
            mode="markers",
            marker={"size": 11, "color": colour},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [at.high - at.value],
                "arrayminus": [at.value - at.low],
                "thickness": 2,
                "width": 6,
            },
            hoverinfo="skip",
        )
        if one.bound:
            fig.add_scatter(
                x=grid,
                y=[one.bound(float(x)) for x in grid],
                mode="lines",
                hoverinfo="skip",
                line={"color": colour, "width": 2, "dash": "dash"},
            )
        labels.append(
            Label(float(np.log10(max(at.value, 1e-3))), formatting.percent(at.value), name, colour)
        )
        if one.bound:
            most = one.bound(0.01)
            labels.append(
                Label(
                    float(np.log10(most)),
                    f"any attack: {formatting.percent(most)}",
                    f"at most, {name}",
                    colour,
                )
            )
    layout(
        fig,
        sentence,
        "",
        "Others wrongly called members (log scale)",
        "Members found (log scale)",
        460,
        right=210,
    )
    shares = [0.001, 0.01, 0.1, 1]
    words = [f"{100 * s:g} %" for s in shares]
    fig.update_xaxes(type="log", range=[-3, 0], tickvals=shares, ticktext=words)
    fig.update_yaxes(type="log", range=[-3, 0.05], tickvals=shares, ticktext=words)
    fig.add_annotation(
        x=np.log10(0.2),
        y=np.log10(0.14),
        text="guessing",
        showarrow=False,
        font={"size": SIZE - 1, "color": MUTED},
    )
    fig.add_annotation(
        x=-2,
        y=0.02,
        yanchor="bottom",
        text="judged here: 1 %",
        showarrow=False,
        font={"size": SIZE - 1, "color": MUTED},
    )
    label_lines(fig, labels, 380, -3, 0.05)
    return fig


def audit_bars(found: Mapping[str, AuditResult], sentence: str) -> go.Figure:
    """Draw per audit the epsilon proven (bar), the most provable (line), the promise (diamond)."""
    rows, fig = list(range(len(found)))[::-1], go.Figure()
    for row, one in zip(rows, found.values()):
        colour = LEAK if one.caught else SAFE
        fig.add_scatter(
            x=[0, one.most],
            y=[row, row],
            mode="lines+markers",
            hoverinfo="skip",
            marker={"symbol": "line-ns-open", "size": 14, "color": MUTED, "opacity": [0, 1]},
            line={"color": GREY, "width": 2},
        )
        fig.add_bar(
            x=[one.lower],
            y=[row],
            orientation="h",
            width=0.34,
            marker={"color": colour},
            hoverinfo="skip",
        )
        fig.add_scatter(
            x=[one.upper],
            y=[row],
            mode="markers",
            hoverinfo="skip",
            marker={"symbol": "diamond", "size": 15, "color": INK},
        )
        words = (
            f"<b>{'broken' if one.caught else 'nothing against it'}</b>: promised {one.upper:.2f}, "
            f"proven {one.lower:.2f} of at most {one.most:.2f}"
        )
        fig.add_annotation(
            x=0,
            y=row,
            text=words,
            showarrow=False,
            xanchor="left",
            yshift=22,
            font={"size": SIZE, "color": LEAK if one.caught else INK},
        )
    layout(
        fig,
        sentence,
        "",
        f"ε at δ = {next(iter(found.values())).delta:g}",
        None,
        110 + 84 * len(rows),
        top=44,
    )
    fig.update_yaxes(
        tickvals=rows,
        ticktext=[figure_text(n, 60).replace(" | ", "<br>") for n in found],
        showgrid=False,
        range=[-0.5, len(rows) - 0.3],
        tickfont={"size": SIZE, "color": INK},
    )
    fig.update_xaxes(range=[0, 1.06 * max(max(one.most, one.upper) for one in found.values())])
    marks = {
        "proven by the attack": ("▬", SAFE),
        "promised": ("◆", INK),
        "most it could have shown": ("—", GREY),
    }
    return key_above(fig, marks)


def scheme_table(found: Sequence[SchemeCost]) -> str:
    """Return HTML: per scheme who is trusted, what is seen, what the model reveals, its cost."""
    heads = (
        "",
        "one must trust",
        "what the server sees",
        "what the model may tell of one text",
        "right on test",
        "a site sent",
        "it took",
    )
    cell = (
        f"text-align: left; padding: 7px 10px; border-bottom: 1px solid {GRID};"
        " vertical-align: top; background: #fff; "
    )
    shade = dict.fromkeys(
        ("anything", "every update", "every text"), f"color: {LEAK}; font-weight: 600; "
    )
    lines = ["<tr>" + "".join(f"<th style='{cell}'>{h}</th>" for h in heads) + "</tr>"]
    for one in found:
        scheme = SCHEMES[one.scheme]
        sent = f"{formatting.megabytes(one.sent / 1e6)} in {one.rounds} rounds"
        sent = "-" if one.scheme.startswith("all in") else sent
        values = (
            one.scheme,
            scheme.trusted,
            scheme.server_sees,
            scheme.model_reveals,
            formatting.percent(one.accuracy),
            sent,
            formatting.seconds(one.seconds),
        )
        bold, whole = "font-weight: 600; ", "white-space: nowrap; "
        tds = (
            f"<td style='{cell}{shade.get(v, '')}{bold * (i == 0)}{whole * (i in (4, 6))}'>"
            f"{html.escape(v)}</td>"
            for i, v in enumerate(values)
        )
        lines.append(f"<tr>{''.join(tds)}</tr>")
    return (
        f"<table style='font: {SIZE}px/1.4 {html.escape(FONT)}; color: {INK}'>"
        f"{''.join(lines)}</table>"
    )


def _word(word: str, found: bool | None) -> str:
    look = "background: #fff" if found is None else HIT if found else MISS
    return f"<span style='{WORD}{look}'>{html.escape(word)}</span>"


def _row(name: str, words: str, share: str) -> str:
    edge = (
        f"border-bottom: 1px solid {GRID}; vertical-align: top; text-align: left;"
        " background: #fff; padding: 6px; "
    )
    return (
        f"<tr><td style='{edge}white-space: nowrap'><b>{html.escape(name)}</b></td>"
        f"<td style='{edge}'>{words}</td><td style='{edge}font-weight: 600'>{share}</td></tr>"
    )


def _largest_number(view: np.ndarray) -> str:
    most = float(np.abs(view).max())
    return f"{most:,.0f}" if most >= 100 else f"{most:.2g}"


def _seconds_text(seconds: float) -> str:
    return f"{1e3 * seconds:.0f} ms" if seconds < 1 else formatting.seconds(seconds)
