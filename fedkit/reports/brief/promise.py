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
    weakest_promise,
)

# adapters are added to the base model; the others train a part of the base model itself
ADAPTERS = ("lora", "rslora", "dora", "ia3", "prefix", "prompt", "ptuning", "adapter")
IN_PLACE = ("bitfit", "layernorm", "last")


def privacy_lines(run: Run, lang: str) -> tuple[str, ...]:
    """Return what is promised and what is not, then caveats.

    The promise is the number with unit, adjacency, delta, accountant and whom to trust.
    """
    given = weakest_promise([run]).given
    lines = [*_promise_lines(run, lang)] if given else [brief_text("privacy.none", lang)]
    lines += (
        [_sealed_line(run, lang)]
        if _lock(run) != "none"
        else [brief_text("privacy.server_sees", lang)]
    )
    lines += [] if given and _adds_noise_alone(run) else [brief_text("privacy.lora", lang)]
    return tuple(lines)


def left_lines(run: Run, lang: str) -> tuple[str, ...]:
    """Return what each client sent, with its bytes, the most important first."""
    sent = measures.mb_per_client(run, "uplink") * measures.MB
    lines = [
        brief_text(
            "left.updates",
            lang,
            what=_what(run, lang),
            numbers=locale.number(_trainable(run), lang),
            rounds=locale.number(len(run.rounds), lang),
            size=locale.data_size(sent, lang),
        )
    ]
    lines += [_statistics_line(run, lang)] if _sends_statistics(run) else []
    lines += [brief_text("left.counts", lang), *_treatment_lines(run, lang)]
    return (*lines, brief_text("left.simulated", lang))


def stayed_lines(run: Run, lang: str) -> tuple[str, ...]:
    """Return what did not leave a client."""
    lines = [
        brief_text(
            "stayed.text",
            lang,
            examples=locale.number(measures.as_number(run.data.get("train")), lang),
        )
    ]
    tune = spec_name(run.config.get("tune"))
    lines += [
        brief_text(
            (
                "stayed.full"
                if tune == "full"
                else "stayed.rest"
                if tune in IN_PLACE
                else "stayed.base"
            ),
            lang,
        )
    ]
    shared = run.config.get("share") or "all"
    lines += (
        [brief_text("stayed.parts", lang, parts=printable_line(shared))] if shared != "all" else []
    )
    return (*lines, brief_text("stayed.inferred", lang))


def _promise_lines(run: Run, lang: str) -> list[str]:
    p, told = weakest_promise([run]), run.result.get("privacy")
    told = told if isinstance(told, dict) else {}
    known = {"example": "unit.example", "client": "unit.client"}
    unit = brief_text(known[p.unit], lang) if p.unit in known else p.unit
    name = told.get("accountant")
    lines = [
        brief_text(
            "privacy.promise",
            lang,
            epsilon=format_epsilon(p.epsilon),
            unit=unit,
            delta=format_delta(p.delta),
            accountant=printable_line(name, 12).upper() if name else locale.UNKNOWN[lang],
        ),
        _at_worst(p.epsilon, p.delta, lang),
        brief_text("privacy.trust", lang, who=_trusted(run, lang)),
        brief_text("privacy.example_not" if p.unit == "example" else "privacy.client_not", lang),
    ]
    seen = measures.as_number(told.get("unamplified"))
    if seen > p.epsilon * (1 + 1e-9) and p.unit in known:
        who = brief_text(f"sampled.{p.unit}", lang)
        worse = brief_text("privacy.sampled", lang, who=who, epsilon=format_epsilon(seen))
        lines.insert(1, worse)
    few = p.unit == "client" and len(measures.clients(run)) < FEW_CLIENTS
    lines += (
        [brief_text("privacy.few", lang, sites=locale.number(len(measures.clients(run)), lang))]
        if few
        else []
    )
    return lines + (
        []
        if "noise_from=system" in str(run.config.get("privacy"))
        else [brief_text("privacy.seed", lang)]
    )


def _at_worst(epsilon: float, delta: float, lang: str) -> str:
    """Return the bound on guessing and how good it is, by the thresholds used everywhere."""
    most = guess_bound(epsilon, delta)
    worth = "strong" if most <= STRONG else "fair" if most <= FAIR else "weak"
    share = format_chance(most).replace("more than ", "").replace(" %", "%")
    key = "privacy.worst_certain" if "more than" in format_chance(most) else "privacy.worst"
    return brief_text(key, lang, share=share, worth=brief_text(f"worth.{worth}", lang))


def _trusted(run: Run, lang: str) -> str:
    if weakest_promise([run]).unit == "example" and _adds_noise_alone(run):
        return brief_text("trust.nobody", lang)
    return brief_text("trust.sums" if _lock(run) != "none" else "trust.server", lang)


def _adds_noise_alone(run: Run) -> bool:
    """Return whether every client adds all the noise itself."""
    p = weakest_promise([run])
    return p.given and p.alone


def _sealed_line(run: Run, lang: str) -> str:
    return brief_text("privacy.masks" if _lock(run) == "masks" else "privacy.ckks", lang)


def _lock(run: Run) -> str:
    return spec_name(run.config.get("secure") or "none")


def _trainable(run: Run) -> float:
    return measures.as_number(run.model.get("trainable"))


def _what(run: Run, lang: str) -> str:
    tune = spec_name(run.config.get("tune"))
    kind = "adapter" if tune in ADAPTERS else tune if tune in ("head", "full") else "part"
    return brief_text(f"left.what_{kind}", lang, tune=printable_line(tune, 20))


def _sends_statistics(run: Run) -> bool:
    return run.start is not None and any(c.uplink_bytes for c in run.start.clients)


def _statistics_line(run: Run, lang: str) -> str:
    sizes = [c.uplink_bytes for c in run.start.clients if c.uplink_bytes]
    size = math.fsum(sizes) / len(sizes)
    key = "left.noisy_statistics" if weakest_promise([run]).alone else "left.statistics"
    return brief_text(key, lang, size=locale.data_size(size, lang))


def _treatment_lines(run: Run, lang: str) -> list[str]:
    """Return what was done to updates before they were sent."""
    wire = printable_line(run.config.get("wire") or "none", 40)
    out = [brief_text("left.wire", lang, wire=wire)] if wire != "none" else []
    out += [brief_text("left.sealed", lang)] if _lock(run) != "none" else []
    return out + ([brief_text("left.noise", lang)] if weakest_promise([run]).given else [])


def parse_privacy_need(spec: str) -> tuple[str, float]:
    """Return (kind, largest epsilon) of 'none', 'sums', 'example:EPS' or 'client:EPS'; ('', inf) of
    ''.

    Raises FedkitError for anything else.
    """
    kind, _, most = spec.strip().partition(":")
    try:
        epsilon = float(most.removeprefix("eps=")) if most else math.inf
    except ValueError:
        epsilon = math.nan
    bounded = kind in ("example", "client")
    if (
        kind not in ("", "none", "sums", "example", "client")
        or bool(most) != bounded
        or not epsilon > 0
    ):
        raise FedkitError(
            f"privacy_needed {printable_line(spec)!r} is not understood; write none,"
            " sums (the server reads"
            ' sums only), example:EPS or client:EPS, such as "example:8"'
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
