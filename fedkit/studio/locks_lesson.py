"""What the lesson on leaks and locks runs and draws: texts read from updates, sums under masks, what a model gives away."""

from __future__ import annotations

import html
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import plotly.graph_objects as go
import torch

from fedkit.accounting import Block, noise_for
from fedkit.audit import membership
from fedkit.audit.bounds import allowed_tpr
from fedkit.audit.canary import AuditResult
from fedkit.audit.defences import DEFENCES, Defence, observed
from fedkit.audit.leak import LEAKS, Stage, against_one, stage_of
from fedkit.audit.seen import Guess, Seen, content, score
from fedkit.audit.table import plan_for, private_head
from fedkit.client.private import apart
from fedkit.client.train import train
from fedkit.data.corpus import Examples
from fedkit.errors import FedkitError
from fedkit.job import Job
from fedkit.record import Run
from fedkit.server.start import start
from fedkit.studio import say
from fedkit.studio.direct import Label, label_lines
from fedkit.studio.privacy_lesson import learn, right
from fedkit.studio.theme import FONT, GRID, INK, MUTED, SIZE, key_above, layout, plain
from fedkit.wire.secure import Ckks, Masks, make_lock

LEAK, SAFE, GREY = "#d55e00", "#0072b2", "#aab4c0"
SHADES = [[0.0, "#ffffff"], [1.0, LEAK]]  # nothing read to everything read
OPEN: dict[str, Defence] = {
    "full tuning, 1 text": DEFENCES["none"],
    "full tuning, 4 texts": DEFENCES["4 texts"],
    "full tuning, 16 texts": DEFENCES["16 texts"],
    "full tuning, 4 local steps": DEFENCES["4 steps"],
    "LoRA, round 1": DEFENCES["lora"],
    "LoRA, a round later": DEFENCES["lora later"],
    "head only": DEFENCES["head"],
}
SUMS: dict[str, Defence] = {
    "sum of 2 sites": replace(DEFENCES["sum of 10"], sites=2),
    "sum of 10 sites": DEFENCES["sum of 10"],
}
NOISE: dict[str, Defence] = {
    "clipped, no noise": replace(DEFENCES["clip only"], texts=1),
    "clipped, noise for ε = 8": DEFENCES["eps 8"],
    "clipped, noise for ε = 1": DEFENCES["eps 1"],
    "LoRA, noise for ε = 8": DEFENCES["lora eps 8"],
    "head only, noise for ε = 8": DEFENCES["head eps 8"],
}
WORDS, TEXTS, LISTED = "words read", "whole texts read", "picked from a list"


# ---- attacks


def seen_of(stage: Stage, batch: Examples, defence: Defence = OPEN["full tuning, 1 text"], seed: int = 0) -> Seen:
    """One update of one site as the server receives it."""
    rng = np.random.default_rng(seed)
    clients = len(stage.job.clients)
    gradient = observed(
        defence, stage.job.model, stage.known.shared, [batch], stage.job.config, stage.known.adjust, rng, clients
    )
    return Seen(gradient, len(batch), stage.known)


def decoded(guess: Guess, stage: Stage) -> str:
    """The first text that was written down; '' for none."""
    texts = [content(text, stage.known.special) for text in guess.texts]
    return stage.job.model.tokenizer.decode(texts[0]) if texts else ""


def attacked(
    stages: dict[tuple[str, bool], Stage], defences: Mapping[str, Defence], batches: int, seed: int = 0
) -> dict[str, dict[str, float]]:
    """{way: {WORDS, TEXTS, LISTED: share}} and 'whose': share of the words read that were this site's.

    stages: by (tune, later); must hold ("full", False), takes in what else is needed.
    """
    out = {}
    for name, defence in defences.items():
        key = (defence.tune, defence.later)
        if key not in stages:
            stages[key] = stage_of(stages["full", False], *key)
        named = ("words", "spans", "lookup") if defence.tune == "full" else ("pursuit", "lookup")
        out[name] = summed(against_one(name, defence, stages[key], {n: LEAKS[n] for n in named}, batches, seed))
    return out


def summed(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The best that any attack reached, from rows of `leak_table`."""
    own = [r for r in rows if r["attack"] != "lookup"]
    best = max(own, key=lambda r: (r["tokens_recall"] or 0, r["tokens_precision"] or 0))
    lists = [r["sentences"] or 0.0 for r in rows if r["attack"] == "lookup"]
    return {
        WORDS: best["tokens_recall"] or 0.0, TEXTS: max(r["sentences"] or 0.0 for r in own),
        LISTED: max(lists, default=0.0), "whose": best["tokens_precision"] or 0.0,
    }  # fmt: skip


def masked_upload(stage: Stage, batches: int, seed: int = 0) -> dict[str, float]:
    """The same attacks on what one site of three uploads under real masks, at the stage of ("full", False)."""
    found, names = [], ["this site", "another", "a third"]
    for number in range(batches):
        batch = stage.known.listed.take([int(np.random.default_rng([seed, number]).integers(len(stage.known.listed)))])
        seen = seen_of(stage, batch)
        vector = torch.cat([t.flatten() for t in seen.gradient.values()]).double().numpy()
        session = Masks().open(names, len(vector), seed, number)
        session.add(names[0], session.seal(names[0], vector.clip(-1000, 1000)))
        hidden = replace(seen, gradient=apart(torch.from_numpy(session.view()).float(), seen.gradient))
        for name in ("words", "spans", "lookup"):
            made = score(LEAKS[name].run(hidden), batch, stage.known.special)
            found.append({"attack": name, "tokens_recall": made.recall or 0.0, "tokens_precision": made.precision or 0.0,
                          "sentences": made.sentences or 0.0})  # fmt: skip
    rows = [{"attack": name, **{k: float(np.mean([f[k] for f in found if f["attack"] == name]))
                                for k in ("tokens_recall", "tokens_precision", "sentences")}}
            for name in ("words", "spans", "lookup")]  # fmt: skip
    return summed(rows)


def cut(text: str) -> list[str]:
    """Words and signs, one by one."""
    return re.findall(r"\w+|[^\w\s]", text)


def read_words(original: str, recovered: str) -> list[tuple[str, bool]]:
    """(word of the original, whether it was recovered), upper case or not."""
    left, out = Counter(cut(recovered.lower())), []
    for word in cut(original):
        out.append((word, left[word.lower()] > 0))
        left[word.lower()] -= 1
    return out


def reading(original: str, recovered: Mapping[str, str]) -> str:
    """HTML: the site's own words, and below them, for each way, what the server wrote down, word under word."""
    rows = [_row("What the site holds", "".join(_word(w, None) for w in cut(original)), "")]
    for name, text in recovered.items():
        marked = read_words(original, text)
        share = sum(found for _, found in marked) / max(1, len(marked))
        words = "".join(_word(w if found else "·" * len(w), found) for w, found in marked)
        rows.append(_row(name, words, say.percent(share, 0)))
    key = f"<span style='{WORD}{HIT}'>read from the update</span> <span style='{WORD}{MISS}'>·····</span> not read"
    return f"<div style='font: {SIZE}px/2 {html.escape(FONT)}; color: {INK}'><table>{''.join(rows)}</table>{key}</div>"


WORD = "display: inline-block; padding: 0 4px; margin: 1px; line-height: 1.7; border-radius: 3px; "
HIT, MISS = f"background: {LEAK}; color: #fff", f"background: {GRID}; color: {MUTED}"


def _word(word: str, found: bool | None) -> str:
    look = "background: #fff" if found is None else HIT if found else MISS
    return f"<span style='{WORD}{look}'>{html.escape(word)}</span>"


def _row(name: str, words: str, share: str) -> str:
    edge = f"border-bottom: 1px solid {GRID}; vertical-align: top; text-align: left; background: #fff; padding: 6px; "
    return (
        f"<tr><td style='{edge}white-space: nowrap'><b>{html.escape(name)}</b></td><td style='{edge}'>{words}</td>"
        f"<td style='{edge}font-weight: 600'>{share}</td></tr>"
    )


def heatmap(
    found: Mapping[str, Mapping[str, float]], sentence: str, parts: Mapping[str, Sequence[str]] | None = None
) -> go.Figure:
    """A row per way of sending, a column per thing read; the fuller the colour, the more was read.

    parts: {heading: ways}, to set groups of ways apart; None: one group.
    """
    parts = parts or {"": list(found)}
    columns, fig, y, ticks = (WORDS, TEXTS, LISTED), go.Figure(), 0.0, {}
    for heading, ways in parts.items():
        if heading:
            fig.add_annotation(x=-0.5, y=y, text=f"<b>{plain(heading, 60)}</b>", showarrow=False, xanchor="left",
                               font={"size": SIZE, "color": MUTED})  # fmt: skip
            y -= 0.9
        for way in ways:
            values = [100 * found[way][c] for c in columns]
            words = [f"{v:.0f} %" for v in values]
            if values[0] > 50 and found[way]["whose"] < 0.75:
                words[0] += ", but whose?"
            fig.add_heatmap(z=[values], x=[0, 1, 2], y=[y], zmin=0, zmax=100, colorscale=SHADES, showscale=False, dy=0.9,
                            y0=y, xgap=3, ygap=3, hovertemplate=plain(way) + ": %{z:.0f} %<extra></extra>")  # fmt: skip
            for x, (value, text) in enumerate(zip(values, words)):
                fig.add_annotation(x=x, y=y, text=text, showarrow=False,
                                   font={"size": SIZE, "color": "#ffffff" if value > 60 else INK})  # fmt: skip
            ticks[y] = plain(way)
            y -= 1
    layout(fig, sentence, "", None, None, 60 + int(34 * -y), top=36)
    fig.update_xaxes(tickvals=[0, 1, 2], ticktext=[f"<b>{c}</b>" for c in columns], side="top", showgrid=False,
                     tickfont={"size": SIZE, "color": INK}, range=[-0.5, 2.5])  # fmt: skip
    fig.update_yaxes(tickvals=list(ticks), ticktext=list(ticks.values()), showgrid=False, range=[y + 0.4, 0.6],
                     tickfont={"size": SIZE, "color": INK})  # fmt: skip
    return fig


# ---- sums under masks and encryption


def updates(job: Job) -> dict[str, np.ndarray]:
    """{site: its update of round 1 as one vector, float64}."""
    job.model.load_params(job.start)
    shared, prior, _ = start(job.model, job.clients, job.config)
    deltas = {c.client_id: train(job.model, shared, c, job.config, 1, prior).delta for c in job.clients}
    return {c: torch.cat([t.flatten() for t in d.values()]).double().numpy() for c, d in deltas.items()}


def watched(
    lock: Any, deltas: Mapping[str, np.ndarray], absent: Sequence[str] = ()
) -> tuple[dict[str, np.ndarray], np.ndarray, float]:
    """({moment: the sum as the server holds it}, the plain sum in the same fixed point, extra bytes of a site).

    Of the sites named `absent` nothing arrives after they dealt their shares. Raises TooFew where too many are.
    """
    size, there, views = len(next(iter(deltas.values()))), [c for c in deltas if c not in absent], {}
    sealed, plain_sum = (one.open(list(deltas), size, seed=0, round=1) for one in (lock, make_lock("none")))
    for n, site in enumerate(there, 1):
        for session in (sealed, plain_sum):
            session.add(site, session.seal(site, deltas[site]))
        if n in (1, 2, len(there) // 2, len(there) - 1, len(there)):
            views[f"{n} of {len(deltas)} uploads"] = sealed.view()
    views["masks removed"], costs = sealed.result()
    extra = [sum(sealed.setup[site]) + sum(costs[site]) for site in there]
    return views, plain_sum.result()[0], sum(extra) / len(extra)


def strips(views: Mapping[str, np.ndarray], truth: np.ndarray, sentence: str, shown: int = 90) -> go.Figure:
    """A strip per moment: numbers of the sum as the server holds it, ordered by the true sum, so order means 'readable'.

    Each strip has a colour scale of its own, from its lowest number to its highest by rank. Right: the largest number.
    """
    order = np.argsort(truth)[np.linspace(0, len(truth) - 1, min(shown, len(truth))).astype(int)]
    ranks = [np.argsort(np.argsort(view[order])) for view in views.values()]
    likeness = {n: float(np.corrcoef(view, truth)[0, 1]) for n, view in views.items()}
    rows = list(range(len(views)))[::-1]
    fig = go.Figure(go.Heatmap(z=ranks, y=rows, showscale=False, ygap=4, colorscale=[[0, SAFE], [0.5, "#ffffff"], [1, LEAK]],
                               hoverinfo="skip"))  # fmt: skip
    for row, (name, view) in zip(rows, views.items()):
        words = f"{likeness[name]:.0%} like the true sum".replace("-0%", "0%")
        fig.add_annotation(x=1, xref="paper", y=row, text=f"{words}<br>largest {np.abs(view).max():,.2g}", showarrow=False,
                           xanchor="left", align="left", xshift=8, font={"size": SIZE - 1, "color": INK})  # fmt: skip
    layout(fig, sentence, "", "Numbers of the sum, those with the lowest true value first", None, 60 + 44 * len(rows),
           right=170)  # fmt: skip
    fig.update_xaxes(showticklabels=False)
    fig.update_yaxes(tickvals=rows, ticktext=[plain(n) for n in views], showgrid=False,
                     tickfont={"size": SIZE, "color": INK})  # fmt: skip
    return fig


@dataclass(frozen=True)
class Sealed:
    """An update under encryption, beside plain float32. seconds: to encrypt, add and decrypt it. error: largest of the sum
    of two. measured: else reckoned from the seconds and bytes of a smaller one, number by number."""

    name: str
    numbers: int
    nbytes: int
    seconds: float
    error: float
    measured: bool = True

    @property
    def plain_bytes(self) -> int:
        return 4 * self.numbers


def encrypted(sizes: Mapping[str, int], most: int = 400_000) -> list[Sealed]:
    """Each size encrypted for real up to `most` numbers; larger ones reckoned. Raises FedkitError without tenseal."""
    out: list[Sealed] = []
    for name, size in sorted(sizes.items(), key=lambda item: item[1]):
        out.append(_sealed(name, size) if size <= most or not out else _reckoned(name, size, out[-1]))
    return out


def _sealed(name: str, size: int) -> Sealed:
    rng = np.random.default_rng(0)
    vectors = {site: 0.01 * rng.standard_normal(size) for site in ("one", "two")}
    session, began = Ckks().open(list(vectors), size, 0, 1), time.perf_counter()
    for site, vector in vectors.items():
        body = session.seal(site, vector)
        session.add(site, body)
    total = session.result()[0]
    error = float(np.abs(total - sum(vectors.values())).max())
    return Sealed(name, size, len(body), (time.perf_counter() - began) / 2, error)


def _reckoned(name: str, size: int, like: Sealed) -> Sealed:
    slots = Ckks().slots
    times = -(-size // slots) / -(-like.numbers // slots)
    return Sealed(name, size, round(like.nbytes * times), like.seconds * times, like.error, False)


def bytes_bars(found: Sequence[Sealed], sentence: str) -> go.Figure:
    """Plain and encrypted bytes of an update on a log axis, a pair of bars for each; reckoned ones are hatched."""
    fig, names, low = go.Figure(), [], 1e3
    for i, one in enumerate(found):
        y = 3 * (len(found) - i)
        for step, nbytes, colour, what in ((1, one.plain_bytes, GREY, "plain"), (0, one.nbytes, SAFE, "encrypted")):
            hatch = "" if one.measured or colour != SAFE else "/"
            text = say.megabytes(nbytes / 1e6) + (f", {say.seconds(one.seconds)} of work" if colour == SAFE else "")
            fig.add_bar(x=[nbytes], y=[y + step], orientation="h", width=0.9, text=text + (" (reckoned)" if hatch else ""),
                        textposition="outside", cliponaxis=False, textfont={"size": SIZE, "color": INK},
                        marker={"color": colour, "pattern": {"shape": hatch}},
                        hovertemplate=f"{plain(one.name)}, {what}<extra></extra>")  # fmt: skip
        names.append((y + 0.5, f"<b>{plain(one.name)}</b><br>{one.numbers:,} numbers"))
    layout(fig, sentence, "", "Bytes that a site sends in a round (log scale)", None, 130 + 92 * len(found), top=44)
    top = max(one.nbytes for one in found)
    ticks = [10.0**d for d in range(3, 12) if 10.0**d <= 10 * top]
    fig.update_xaxes(type="log", range=[np.log10(low), np.log10(top) + 2.2], tickvals=ticks,
                     ticktext=[say.megabytes(t / 1e6) for t in ticks])  # fmt: skip
    fig.update_yaxes(tickvals=[y for y, _ in names], ticktext=[n for _, n in names], showgrid=False,
                     tickfont={"size": SIZE, "color": INK})  # fmt: skip
    return key_above(fig, {"plain": ("■", GREY), "encrypted": ("■", SAFE), "reckoned, not measured": ("▨", SAFE)})


# ---- who was there: membership and the canary


@dataclass(frozen=True)
class Learned:
    """A head trained on half of the reports and attacked. accuracy: on the test set, a share. bound: the largest
    true-positive rate that the noise allows any attack, None without noise."""

    accuracy: float
    attack: membership.Membership
    bound: Any = None


def learned(
    job: Job, shadows: int, privacy: float = 0.0, delta: float = 1e-5, steps: int = 20, seed: int = 0
) -> Learned:
    """Train on half of the reports, by heart or with DP-SGD of epsilon `privacy`; keep the attack with the highest TPR."""
    parts = job.pooled().train
    vectors, labels, width = job.model.features(parts), parts.labels, len(job.corpus.labels)
    member = membership.halves(len(labels), 2, seed)[0]
    many, bound = partial(membership.softmax_heads, num_labels=width), None
    fit = partial(membership.strong_head, num_labels=width)
    if privacy:
        noise = noise_for(privacy, delta, lambda z: [Block(z, 1.0, steps)])
        fit, many = partial(private_head, plan=_plan(noise, steps, int(member.sum())), num_labels=width), None
        bound = partial(allowed_tpr, ((noise, 1.0, steps),))
    attacks = membership.attack_training(fit, vectors, labels, member, shadows, seed, bound, many)
    logits = fit(vectors[member], labels[member], seed)(job.model.features(job.test))
    best = max(attacks, key=lambda a: (a.roc.at[0.01].value, a.roc.auc))
    return Learned(float((logits.argmax(1) == job.test.labels).mean()), best, bound)


def _plan(noise: float, steps: int, rows: int, clip: float = 0.2, reach: float = 1.2):
    """Steps so long that all of them together leave noise of `reach` on every weight, as in a run."""
    plan = plan_for(noise, 1.0, steps, clip)
    return replace(plan, head_lr=reach / steps**0.5 / (clip * noise) * rows)


def roc_curves(found: Mapping[str, Learned], sentence: str) -> go.Figure:
    """True-positive against false-positive rate, log scales: far above the dotted line, members are found."""
    grid = np.geomspace(1e-3, 1, 60)
    fig, labels = go.Figure(), []
    fig.add_scatter(x=grid, y=grid, mode="lines", line={"color": MUTED, "dash": "dot", "width": 2}, hoverinfo="skip")
    fig.add_vline(x=0.01, line={"color": GRID, "width": 2})
    for (name, one), colour in zip(found.items(), (LEAK, SAFE, "#cc79a7")):
        roc = one.attack.roc
        tpr = np.array([roc.tpr[roc.fpr <= x].max(initial=0.0) for x in grid])
        fig.add_scatter(x=grid, y=np.maximum(tpr, 5e-4), mode="lines", line={"color": colour, "width": 3},
                        hovertemplate=plain(name) + ": %{y:.1%} found at %{x:.2%} false alarms<extra></extra>")  # fmt: skip
        at = roc.at[0.01]
        fig.add_scatter(x=[0.01], y=[max(at.value, 5e-4)], mode="markers", marker={"size": 11, "color": colour},
                        error_y={"type": "data", "symmetric": False, "array": [at.high - at.value],
                                 "arrayminus": [at.value - at.low], "thickness": 2, "width": 6}, hoverinfo="skip")  # fmt: skip
        if one.bound:
            fig.add_scatter(x=grid, y=[one.bound(float(x)) for x in grid], mode="lines", hoverinfo="skip",
                            line={"color": colour, "width": 2, "dash": "dash"})  # fmt: skip
        labels.append(Label(float(np.log10(max(at.value, 1e-3))), say.percent(at.value), name, colour))
        if one.bound:
            most = one.bound(0.01)
            labels.append(Label(float(np.log10(most)), f"at most {say.percent(most)}", f"any attack, {name}", colour))
    layout(fig, sentence, "", "Others wrongly called members (log scale)", "Members found (log scale)", 460, right=210)
    shares = [0.001, 0.01, 0.1, 1]
    words = [f"{100 * s:g} %" for s in shares]
    fig.update_xaxes(type="log", range=[-3, 0], tickvals=shares, ticktext=words)
    fig.update_yaxes(type="log", range=[-3, 0.05], tickvals=shares, ticktext=words)
    fig.add_annotation(x=np.log10(0.2), y=np.log10(0.14), text="guessing", showarrow=False,
                       font={"size": SIZE - 1, "color": MUTED})  # fmt: skip
    fig.add_annotation(x=-2, y=0.02, yanchor="bottom", text="judged here: 1 %", showarrow=False,
                       font={"size": SIZE - 1, "color": MUTED})  # fmt: skip
    label_lines(fig, labels, 380, -3, 0.05)
    return fig


def audits(found: Mapping[str, AuditResult], sentence: str) -> go.Figure:
    """A row per game: a bar to the epsilon that it proved, a line to the most it could have shown, a mark at the promise."""
    rows, fig = list(range(len(found)))[::-1], go.Figure()
    for row, one in zip(rows, found.values()):
        colour = LEAK if one.caught else SAFE
        fig.add_scatter(x=[0, one.most], y=[row, row], mode="lines+markers", hoverinfo="skip",
                        marker={"symbol": "line-ns-open", "size": 14, "color": MUTED, "opacity": [0, 1]},
                        line={"color": GREY, "width": 2})  # fmt: skip
        fig.add_bar(x=[one.lower], y=[row], orientation="h", width=0.34, marker={"color": colour}, hoverinfo="skip")
        fig.add_scatter(x=[one.upper], y=[row], mode="markers", hoverinfo="skip",
                        marker={"symbol": "diamond", "size": 15, "color": INK})  # fmt: skip
        words = f"<b>{'broken' if one.caught else 'nothing against it'}</b>: proven {one.lower:.2f}, promised {one.upper:.2f}"
        fig.add_annotation(x=0, y=row, text=words, showarrow=False, xanchor="left", yshift=22,
                           font={"size": SIZE, "color": LEAK if one.caught else INK})  # fmt: skip
    layout(fig, sentence, "", "ε", None, 110 + 84 * len(rows), top=44)
    fig.update_yaxes(tickvals=rows, ticktext=[plain(n, 60).replace(" | ", "<br>") for n in found], showgrid=False,
                     range=[-0.5, len(rows) - 0.3], tickfont={"size": SIZE, "color": INK})  # fmt: skip
    fig.update_xaxes(range=[0, 1.06 * max(max(one.most, one.upper) for one in found.values())])
    marks = {"proven by the attack": ("▬", SAFE), "promised": ("◆", INK), "most it could have shown": ("—", GREY)}
    return key_above(fig, marks)


# ---- what each promises


@dataclass(frozen=True)
class Way:
    """A way of working together: its settings, and three answers in plain words."""

    settings: dict[str, Any]
    trusted: str
    seen: str
    told: str


WAYS: dict[str, Way] = {
    "nothing": Way({}, "the server, and all who get the model", "every update", "anything"),
    "masks": Way({"secure": "masks"}, "that too few sites side with the server", "the sum only", "anything"),
    "encryption": Way({"secure": "ckks"}, "that no site gives the key away", "nothing it can read; sites see the sum",
                      "anything"),
    "noise at each site": Way({"privacy": "example:eps=8,trust=site"}, "nobody", "every update, with noise", "ε = 8 for one text"),
    "masks + shared noise": Way({"privacy": "example:eps=8,trust=sum", "secure": "masks"},
                                "that the others add their share, and too few side with the server",
                                "the sum only, with noise", "ε = 8 for one text"),
    "all in one place + noise": Way({"privacy": "example:eps=8", "clients": 1}, "the holder of all texts", "every text",
                                    "ε = 8 for one text"),
}  # fmt: skip


@dataclass(frozen=True)
class Cost:
    """What a way cost here. accuracy: a share. sent: bytes of a site in a round. seconds: of a round, on this machine."""

    way: str
    accuracy: float
    sent: float
    seconds: float
    run: Run | None = None


def costs(job: Job, more: Mapping[str, Mapping[str, Any]] | None = None) -> list[Cost]:
    """Every way run on the job; those that cannot run here (no tenseal) are left out and said. more: {way: settings}."""
    out = []
    for name, way in WAYS.items():
        began = time.perf_counter()
        try:
            one = learn(job, **(way.settings | dict((more or {}).get(name, {}))))
        except FedkitError as error:
            if way.settings.get("secure") != "ckks":
                raise
            print(f"{name} is left out: {error}")
            continue
        seconds = (time.perf_counter() - began) / len(one.rounds)
        sites = [c.uplink_bytes for r in one.rounds for c in r.clients]
        out.append(Cost(name, right(one), sum(sites) / len(sites), seconds, one))
    return out


def promises(found: Sequence[Cost]) -> str:
    """HTML: a row per way: who is trusted, what the server sees, what the model may tell, and what it cost here."""
    heads = ("", "who must be trusted", "what the server sees", "what the model may tell of one text", "right", "sent",
             "a round took")  # fmt: skip
    cell = (
        f"text-align: left; padding: 7px 10px; border-bottom: 1px solid {GRID}; vertical-align: top; background: #fff; "
    )
    shade = {"anything": f"color: {LEAK}; font-weight: 600; ", "every update": f"color: {LEAK}; font-weight: 600; ",
             "every text": f"color: {LEAK}; font-weight: 600; "}  # fmt: skip
    lines = ["<tr>" + "".join(f"<th style='{cell}'>{h}</th>" for h in heads) + "</tr>"]
    for one in found:
        way, sent = WAYS[one.way], "-" if one.way.startswith("all in") else say.megabytes(one.sent / 1e6)
        values = (one.way, way.trusted, way.seen, way.told, say.percent(one.accuracy), sent, say.seconds(one.seconds))
        tds = (f"<td style='{cell}{shade.get(v, '')}{'font-weight: 600; ' * (i == 0)}'>{html.escape(v)}</td>"
               for i, v in enumerate(values))  # fmt: skip
        lines.append(f"<tr>{''.join(tds)}</tr>")
    return f"<table style='font: {SIZE}px/1.4 {html.escape(FONT)}; color: {INK}'>{''.join(lines)}</table>"
