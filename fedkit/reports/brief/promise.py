"""What a run promises, what left its clients and what did not: sentences from its record.

The record's own notes are in English; these are made from its fields, in each language.
"""

from __future__ import annotations

import math

from fedkit.core import locale
from fedkit.core.errors import FedkitError
from fedkit.core.formatting import printable_line
from fedkit.core.record import Run
from fedkit.privacy.mechanisms import FEW_CLIENTS
from fedkit.reports.text.brief import brief_text
from fedkit.results import measures
from fedkit.results.methods import spec_name
from fedkit.results.privacy_promise import (
    FAIR,
    STRONG,
    Promise,
    format_chance,
    format_delta,
    format_epsilon,
    guess_bound,
    privacy_block,
    weakest_promise,
)

# adapters are added to the base model; the others train a part of the base model itself
ADAPTERS = ("lora", "rslora", "dora", "ia3", "prefix", "prompt", "ptuning", "adapter")
IN_PLACE = ("bitfit", "layernorm", "last")


def privacy_lines(run: Run, lang: str) -> tuple[str, ...]:
    """Return what is promised and what is not, then caveats.

    The promise is the number with unit, adjacency, delta, accountant and whom to trust.
    """
    p, lock = weakest_promise([run]), _lock(run)
    sealed = {"none": "privacy.server_sees", "masks": "privacy.masks"}.get(lock, "privacy.ckks")
    lines = _promise_lines(run, p, lang) if p.given else [brief_text("privacy.none", lang)]
    lines.append(brief_text(sealed, lang))
    lines += [] if p.given and p.alone else [brief_text("privacy.lora", lang)]
    return tuple(lines)


def left_lines(run: Run, lang: str) -> tuple[str, ...]:
    """Return what each client sent, with its bytes, the most important first."""
    p, tune = weakest_promise([run]), spec_name(run.config.get("tune"))
    kind = "adapter" if tune in ADAPTERS else tune if tune in ("head", "full") else "part"
    wire = printable_line(run.config.get("wire") or "none", 40)
    sent = [c.uplink_bytes for c in (run.start.clients if run.start else ()) if c.uplink_bytes]
    before = math.fsum(sent) / max(len(measures.clients(run)), 1)
    rest = measures.mb_per_client(run, "uplink") * measures.MB - before
    values = {
        "what": brief_text(f"left.what_{kind}", lang, tune=printable_line(tune, 20)),
        "numbers": locale.number(measures.as_number(run.model.get("trainable")), lang),
        "rounds": locale.number(len(run.rounds), lang),
        "size": locale.data_size(rest, lang),
    }
    start = locale.data_size(math.fsum(sent) / max(len(sent), 1), lang)
    statistics = "left.noisy_statistics" if p.alone else "left.statistics"
    told = {
        "left.updates": (True, values),
        statistics: (bool(sent), {"size": start}),
        "left.counts": (True, {}),
        "left.wire": (wire != "none", {"wire": wire}),
        "left.sealed": (_lock(run) != "none", {}),
        "left.noise": (p.given, {}),
        "left.simulated": (True, {}),
    }
    return tuple(brief_text(key, lang, **more) for key, (there, more) in told.items() if there)


def stayed_lines(run: Run, lang: str) -> tuple[str, ...]:
    """Return what did not leave a client."""
    tune, shared = spec_name(run.config.get("tune")), run.config.get("share") or "all"
    kept = "stayed.full" if tune == "full" else "stayed.rest" if tune in IN_PLACE else "stayed.base"
    examples = locale.number(measures.as_number(run.data.get("train")), lang)
    lines = [brief_text("stayed.text", lang, examples=examples), brief_text(kept, lang)]
    if shared != "all":
        lines.append(brief_text("stayed.parts", lang, parts=printable_line(shared)))
    return (*lines, brief_text("stayed.inferred", lang))


def _promise_lines(run: Run, p: Promise, lang: str) -> list[str]:
    told, clients = privacy_block(run), len(measures.clients(run))
    known = p.unit in ("example", "client")
    name = told.get("accountant")
    values = {
        "epsilon": format_epsilon(p.epsilon),
        "unit": brief_text(f"unit.{p.unit}", lang) if known else p.unit,
        "delta": format_delta(p.delta),
        "accountant": printable_line(name, 12).upper() if name else locale.UNKNOWN[lang],
    }
    lines = [brief_text("privacy.promise", lang, **values)]
    seen = measures.as_number(told.get("unamplified"))
    if seen > p.epsilon * (1 + 1e-9) and known:
        who = brief_text(f"sampled.{p.unit}", lang)
        lines.append(brief_text("privacy.sampled", lang, who=who, epsilon=format_epsilon(seen)))
    summed = "sums" if _lock(run) != "none" else "server"
    trusted = "nobody" if p.unit == "example" and p.alone else summed
    covered = "privacy.example_not" if p.unit == "example" else "privacy.client_not"
    lines += [
        _at_worst(p, lang),
        brief_text("privacy.trust", lang, who=brief_text(f"trust.{trusted}", lang)),
        brief_text(covered, lang),
    ]
    if p.unit == "client" and clients < FEW_CLIENTS:
        lines.append(brief_text("privacy.few", lang, sites=locale.number(clients, lang)))
    if "noise_from=system" not in str(run.config.get("privacy")):
        lines.append(brief_text("privacy.seed", lang))
    return lines


def _at_worst(p: Promise, lang: str) -> str:
    """Return the bound on guessing and how good it is, by the thresholds used everywhere."""
    most = guess_bound(p.epsilon, p.delta)
    worth = "strong" if most <= STRONG else "fair" if most <= FAIR else "weak"
    share = format_chance(most).replace("more than ", "").replace(" %", "%")
    key = "privacy.worst_certain" if "more than" in format_chance(most) else "privacy.worst"
    return brief_text(key, lang, share=share, worth=brief_text(f"worth.{worth}", lang))


def _lock(run: Run) -> str:
    return spec_name(run.config.get("secure") or "none")


def parse_privacy_need(spec: str) -> tuple[str, float]:
    """Return (kind, largest epsilon) of none, sums, example:EPS or client:EPS; ('', inf) of ''.

    Raises FedkitError for anything else.
    """
    kind, _, most = spec.strip().partition(":")
    try:
        epsilon = float(most.removeprefix("eps=")) if most else math.inf
    except ValueError:
        epsilon = math.nan
    known, bounded = ("", "none", "sums", "example", "client"), kind in ("example", "client")
    if kind not in known or bool(most) != bounded or not epsilon > 0:
        raise FedkitError(
            f"privacy_needed {printable_line(spec)!r} is not understood; write none, sums (the"
            ' server reads sums only), example:EPS or client:EPS, such as "example:8"'
        )
    return kind, epsilon


def meets_need(promised: Promise, spec: str) -> bool | None:
    """Return whether the promise meets the need `spec`; None where no need is stated."""
    kind, epsilon = parse_privacy_need(spec)
    if not kind:
        return None
    if kind in ("none", "sums"):
        return kind == "none" or promised.sealed
    return promised.given and promised.unit == kind and promised.epsilon <= epsilon * (1 + 1e-9)
