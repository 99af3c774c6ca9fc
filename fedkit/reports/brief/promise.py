"""What a run promises, what left its sites and what did not: sentences from its record alone, in
two languages.

The record's own notes are English sentences; here the same is said from the record's fields, so
that Japanese is whole.
"""

from __future__ import annotations

import math

from fedkit.core import locale
from fedkit.core.errors import FedkitError
from fedkit.core.formatting import printable_line
from fedkit.core.record import Run
from fedkit.privacy.mechanisms import FEW_CLIENTS
from fedkit.reports.text.brief import text
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

ADAPTERS = (
    "lora",
    "rslora",
    "dora",
    "ia3",
    "prefix",
    "prompt",
    "ptuning",
    "adapter",
)  # what is added to the base model
IN_PLACE = ("bitfit", "layernorm", "last")  # what is trained is a part of the base model itself


def privacy_lines(run: Run, lang: str) -> tuple[str, ...]:
    """What is promised and what is not: the number with unit, adjacency, delta, accountant and whom
    to trust; then caveats.
    """
    given = weakest_promise([run]).given
    said = [*_promised(run, lang)] if given else [text("privacy.none", lang)]
    said += [_sealed(run, lang)] if _lock(run) != "none" else [text("privacy.server_sees", lang)]
    said += [] if given and _alone(run) else [text("privacy.lora", lang)]
    return tuple(said)


def left_lines(run: Run, lang: str) -> tuple[str, ...]:
    """What each site sent, with its bytes, most important first."""
    sent = measures.mb_per_client(run, "uplink") * measures.MB
    said = [
        text(
            "left.updates",
            lang,
            what=_what(run, lang),
            numbers=locale.number(_trainable(run), lang),
            rounds=locale.number(len(run.rounds), lang),
            size=locale.data_size(sent, lang),
        )
    ]
    said += [_start(run, lang)] if _sends_statistics(run) else []
    said += [text("left.counts", lang), *_treated(run, lang)]
    return (*said, text("left.simulated", lang))


def stayed_lines(run: Run, lang: str) -> tuple[str, ...]:
    """What did not leave a site."""
    said = [
        text(
            "stayed.text",
            lang,
            examples=locale.number(measures.as_number(run.data.get("train"), "data.train"), lang),
        )
    ]
    tune = spec_name(run.config.get("tune"))
    said += [
        text(
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
    said += [text("stayed.parts", lang, parts=printable_line(shared))] if shared != "all" else []
    return (*said, text("stayed.inferred", lang))


def _promised(run: Run, lang: str) -> list[str]:
    p, told = weakest_promise([run]), run.result.get("privacy")
    told = told if isinstance(told, dict) else {}
    known = {"example": "unit.example", "client": "unit.client"}
    unit = text(known[p.unit], lang) if p.unit in known else p.unit
    name = told.get("accountant")
    said = [
        text(
            "privacy.promise",
            lang,
            epsilon=format_epsilon(p.epsilon),
            unit=unit,
            delta=format_delta(p.delta),
            accountant=printable_line(name, 12).upper() if name else locale.UNKNOWN[lang],
        ),
        _at_worst(p.epsilon, p.delta, lang),
        text("privacy.trust", lang, who=_trusted(run, lang)),
        text("privacy.example_not" if p.unit == "example" else "privacy.client_not", lang),
    ]
    few = p.unit == "client" and len(measures.clients(run)) < FEW_CLIENTS
    said += (
        [text("privacy.few", lang, sites=locale.number(len(measures.clients(run)), lang))]
        if few
        else []
    )
    return said + (
        []
        if "noise_from=system" in str(run.config.get("privacy"))
        else [text("privacy.seed", lang)]
    )


def _at_worst(epsilon: float, delta: float, lang: str) -> str:
    """The bound on guessing, and its worth by the same thresholds as everywhere in the kit."""
    most = guess_bound(epsilon, delta)
    worth = "strong" if most <= STRONG else "fair" if most <= FAIR else "weak"
    share = format_chance(most).replace("more than ", "").replace(" %", "%")
    key = "privacy.worst_certain" if "more than" in format_chance(most) else "privacy.worst"
    return text(key, lang, share=share, worth=text(f"worth.{worth}", lang))


def _trusted(run: Run, lang: str) -> str:
    if weakest_promise([run]).unit == "example" and _alone(run):
        return text("trust.nobody", lang)
    return text("trust.sums" if _lock(run) != "none" else "trust.server", lang)


def _alone(run: Run) -> bool:
    """Every site adds all the noise itself."""
    p = weakest_promise([run])
    return p.given and p.alone


def _sealed(run: Run, lang: str) -> str:
    return text("privacy.masks" if _lock(run) == "masks" else "privacy.ckks", lang)


def _lock(run: Run) -> str:
    return spec_name(run.config.get("secure") or "none")


def _trainable(run: Run) -> float:
    return measures.as_number(run.model.get("trainable"), "model.trainable")


def _what(run: Run, lang: str) -> str:
    tune = spec_name(run.config.get("tune"))
    kind = "adapter" if tune in ADAPTERS else tune if tune in ("head", "full") else "part"
    return text(f"left.what_{kind}", lang, tune=printable_line(tune, 20))


def _sends_statistics(run: Run) -> bool:
    return run.start is not None and any(c.uplink_bytes for c in run.start.clients)


def _start(run: Run, lang: str) -> str:
    sizes = [c.uplink_bytes for c in run.start.clients if c.uplink_bytes]
    size = math.fsum(sizes) / len(sizes)
    return text("left.statistics", lang, size=locale.data_size(size, lang))


def _treated(run: Run, lang: str) -> list[str]:
    """What was done to updates before they went."""
    wire = printable_line(run.config.get("wire") or "none", 40)
    out = [text("left.wire", lang, wire=wire)] if wire != "none" else []
    out += [text("left.sealed", lang)] if _lock(run) != "none" else []
    return out + ([text("left.noise", lang)] if weakest_promise([run]).given else [])


def need(spec: str) -> tuple[str, float]:
    """(kind, epsilon at most) of 'none', 'sums', 'example:EPS' or 'client:EPS'; ('', inf) for '',
    which says nothing.

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


def meets(promised: Promise, spec: str) -> bool | None:
    """Whether what is promised is what was asked for; None where nobody has said what is needed."""
    kind, epsilon = need(spec)
    if not kind:
        return None
    if kind in ("none", "sums"):
        return kind == "none" or promised.sealed
    return promised.given and promised.unit == kind and promised.epsilon <= epsilon * (1 + 1e-9)
