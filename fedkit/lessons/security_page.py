"""One printable A4 page for an executive: what leaks, what protects, at what cost, what remains.

The page loads nothing and runs no script. Its words are in security_en.toml, one file per
language; every value is escaped.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fedkit.core import formatting
from fedkit.core.errors import FedkitError
from fedkit.core.files import read_packaged_words, write_file
from fedkit.core.formatting import byte_size, printable_line
from fedkit.lessons.security import (
    LISTED,
    SCHEMES,
    TEXTS,
    WORDS,
    AttackedHead,
    EncryptedUpdate,
    SchemeCost,
)
from fedkit.lessons.security_pictures import LEAK, SAFE, match_words
from fedkit.reports.pages import render


@dataclass(frozen=True)
class Findings:
    """The measured values on the page. leaks: as returned by `security.attack_defences`.

    base, best: schemes in `costs` that the headline compares. worst, locked: rows of `leaks` in the
    headline. open, private: a head trained without and with noise, attacked. noise: accounted
    (epsilon, delta) of the protected run. audit: (promised epsilon, epsilon proven with the fault).
    chance: half of a 95 % interval, points of accuracy.
    """

    data: str
    original: str
    recovered: str
    leaks: Mapping[str, Mapping[str, float]]
    costs: Sequence[SchemeCost]
    open: AttackedHead
    private: AttackedHead
    noise: tuple[float, float]
    audit: tuple[float, float]
    chance: float
    sealed: Sequence[EncryptedUpdate] = field(default_factory=tuple)
    base: str = "no lock"
    best: str = "masks + shared noise"
    worst: str = "full tuning, 1 text"
    locked: str = "one masked upload"


STRINGS = {"en": read_packaged_words("fedkit.lessons", "security_en.toml")}


def write_page(found: Findings, path: str | Path, language: str = "en") -> Path:
    """Write the page to `path` atomically and return its path.

    path: a file, or a folder for what_leaks.html. Raises FedkitError for an unknown language or if
    it cannot be written.
    """
    path = Path(path)
    path = path / "what_leaks.html" if path.is_dir() else path
    return write_file(path, render_page(found, language))


def render_page(found: Findings, language: str = "en") -> str:
    """Return the page as HTML; the same findings give the same text.

    Raises FedkitError for an unknown language.
    """
    if language not in STRINGS:
        raise FedkitError(f"language {language!r} given; choose one of: {', '.join(STRINGS)}")
    s = STRINGS[language]
    return render(
        "lessons/security.html.j2",
        lang=language,
        title=s["title"],
        s=s,
        asked=s["asked"].format(data=printable_line(found.data)),
        tiles=headline_tiles(found, s),
        words=match_words(printable_line(found.original, 200), found.recovered),
        hit=f"background: {LEAK}; color: #fff",
        miss="background: #e4e4e4; color: #595959",
        columns=(WORDS, TEXTS, LISTED),
        heat=[(printable_line(n), leak_cells(v)) for n, v in found.leaks.items()],
        cost=encryption_sentences(found, s),
        heads=s["heads"].split("|"),
        rows=[(scheme_cells(c), c.scheme == found.best) for c in found.costs],
        remains=remaining_risks(found, s),
        caveats=[s[f"caveat_{i}"] for i in range(1, 5)],
    )


def headline_tiles(found: Findings, s: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Return (number, caption, colour) of the four tiles at the top."""
    base, best = _scheme_cost(found, found.base), _scheme_cost(found, found.best)
    lost = 100 * (best.accuracy - base.accuracy)
    words = {
        "right": formatting.percent(best.accuracy),
        "base": formatting.percent(base.accuracy),
        "chance": f"{found.chance:.1f}",
    }
    return [
        (formatting.percent(found.leaks[found.worst][WORDS], 0), s["tile_open"], LEAK),
        (formatting.percent(found.leaks[found.locked][WORDS], 0), s["tile_locked"], SAFE),
        (f"{lost:+.1f}" if abs(lost) >= 0.05 else "0.0", s["tile_cost"].format(**words), "#222222"),
        (_tpr_text(found.private), s["tile_found"].format(open=_tpr_text(found.open)), SAFE),
    ]


def leak_cells(values: Mapping[str, float]) -> list[tuple[float, str]]:
    """Return (share, text) of each cell in a row of the table of leaks."""
    words = [formatting.percent(values[column], 0) for column in (WORDS, TEXTS, LISTED)]
    if values[WORDS] > 0.5 and values.get("whose", 1.0) < 0.75:
        words[0] += ", but whose?"
    return [(round(values[column], 3), text) for column, text in zip((WORDS, TEXTS, LISTED), words)]


def encryption_sentences(found: Findings, s: Mapping[str, str]) -> list[str]:
    """Return sentences on the bytes of encryption; none where it was not tried."""
    out = []
    if found.sealed:
        small, large = found.sealed[0], found.sealed[-1]
        out.append(
            s["cost_bytes"].format(
                name=small.name, plain=byte_size(small.plain_bytes), nbytes=byte_size(small.nbytes)
            )
        )
        if not large.measured:
            out[-1] += " " + s["cost_big"].format(name=large.name, nbytes=byte_size(large.nbytes))
    return out


def scheme_cells(one: SchemeCost) -> list[str]:
    """Return the cells of a scheme: name, who is trusted, what the server sees, accuracy, bytes."""
    scheme = SCHEMES[one.scheme]
    return [
        one.scheme,
        scheme.trusted,
        scheme.server_sees,
        formatting.percent(one.accuracy),
        "-" if scheme.settings.get("clients") else f"{byte_size(one.sent)} in {one.rounds} rounds",
    ]


def remaining_risks(found: Findings, s: Mapping[str, str]) -> list[str]:
    """Return sentences on what sums, the final model and the noise still reveal."""
    sums = {n: v for n, v in found.leaks.items() if n.startswith("sum of")}
    out = []
    for name, values in list(sums.items())[-1:]:
        out.append(
            s["remain_sum"].format(
                sites=name.split()[2], share=formatting.percent(values[WORDS], 0)
            )
        )
    most = formatting.percent(found.private.bound(0.01)) if found.private.bound else "-"
    out.append(
        s["remain_model"].format(
            open=_tpr_text(found.open),
            most=most,
            right=formatting.percent(found.open.accuracy, 0),
            noisy=formatting.percent(found.private.accuracy, 0),
            eps=f"{found.private.epsilon:g}",
        )
    )
    (eps, delta), (promised, proven) = found.noise, found.audit
    out.append(
        s["remain_noise"].format(
            eps=f"{eps:.2g}", delta=f"{delta:g}", proven=f"{proven:.2f}", promised=f"{promised:.2f}"
        )
    )
    return out


def page_frame(path: str | Path, height: int = 1300) -> str:
    """Return the page as a sandboxed frame for a notebook. Raises OSError if it cannot be read."""
    text = html.escape(Path(path).read_text(encoding="utf-8"))
    return (
        f'<div><iframe srcdoc="{text}" sandbox style="width: 100%; max-width: 830px;'
        f' height: {height}px; border: 1px solid #d9d9d9"></iframe></div>'
    )


def _scheme_cost(found: Findings, name: str) -> SchemeCost:
    return next(c for c in found.costs if c.scheme == name)


def _tpr_text(one: AttackedHead) -> str:
    return formatting.percent(one.attack.roc.at[0.01].value)
