"""The return on investment: a small open model of measured numbers and stated assumptions.

A year's value = companies x reports a company x right answers more (a share, measured on own daily
texts, beyond local training alone) x minutes saved by one / 60 x cost of an hour. A year's cost =
companies x running + traffic of all trainings. Once: companies x set-up + the base model's first
download.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, NoReturn

from fedkit.core import locale
from fedkit.core.errors import FedkitError
from fedkit.core.files import read_packaged_words, require_file
from fedkit.core.formatting import one_line_error, printable_line
from fedkit.network import parse_device, parse_link
from fedkit.reports.brief.brief import Fact, Returns, Swing
from fedkit.reports.brief.promise import parse_privacy_need
from fedkit.reports.text.brief import brief_text
from fedkit.results.verdict import Verdict

MOST_BYTES, MOST = 100_000, 1e12  # of a file; of any number in it
GB, YEARS = 1e9, 5  # bytes; years of the break-even curve
SMALL = 0.01  # of the widest bar of the tornado


@dataclass(frozen=True)
class Assumed:
    """A number that was not measured, its range, and its source."""

    value: float
    low: float
    high: float
    source: str = ""
    given: bool = False  # a bare number in a file: the user's, without a source

    def describe_source(self, lang: str) -> str:
        """Return where the number is from; one without a source is called an assumption."""
        key = "source.given" if self.given else "source.assumption"
        return printable_line(self.source, 120) or brief_text(key, lang)


@dataclass(frozen=True)
class Assumptions:
    """All that the brief assumes. The defaults stand in for a company's own numbers: none is
    measured.

    links, devices: profiles of the table of hours. nights x night_hours: how long a training may
    take. privacy_needed: see `promise.parse_privacy_need`; "": not stated. payback_months: the
    longest time to pay back set-up.
    """

    reports_per_company: Assumed = Assumed(20_000, 10_000, 40_000)  # texts to sort, a year
    minutes_per_right_answer: Assumed = Assumed(5, 2, 10)  # saved, minutes
    # of the people who sort today, currency an hour
    hourly_cost: Assumed = Assumed(3_500, 2_500, 5_000)
    setup_per_site: Assumed = Assumed(300_000, 150_000, 600_000)  # once, currency
    running_per_site: Assumed = Assumed(120_000, 60_000, 240_000)  # a year, currency
    traffic_price_per_gb: Assumed = Assumed(100, 10, 1_000)  # currency
    trainings_per_year: Assumed = Assumed(4, 1, 12)
    currency: str = "JPY"
    links: tuple[str, ...] = ("1mbit", "office-10m", "office-100m")
    devices: tuple[str, ...] = ("old-pc", "laptop", "gpu-server")
    nights: float = 1
    night_hours: float = 8
    privacy_needed: str = ""
    payback_months: float = 36

    @property
    def numbers(self) -> dict[str, Assumed]:
        return {f.name: v for f in fields(self) if isinstance(v := getattr(self, f.name), Assumed)}

    @classmethod
    def load(cls, path: str | Path) -> Assumptions:
        """Read a TOML or JSON file. Raises FedkitError, in one line, if it cannot be read or is not
        known.
        """
        path = Path(path)
        try:
            words = require_file(path, MOST_BYTES).read_bytes().decode("utf-8-sig")
            values = json.loads(words) if path.suffix.lower() == ".json" else tomllib.loads(words)
        except (OSError, ValueError, RecursionError) as error:
            why = getattr(error, "strerror", None) or one_line_error(error)[:120]
            raise FedkitError(
                f"assumptions {path}: {why}; name a TOML or JSON file, such as the brief writes"
            ) from None
        return cls.from_dict(values)

    @classmethod
    def from_dict(cls, values: Any) -> Assumptions:
        """Return assumptions from {name: number, or {value, low, high, source}, or a setting}.

        Raises FedkitError for an unknown name or value.
        """
        if not isinstance(values, Mapping):
            raise FedkitError(
                f"assumptions are a {type(values).__name__}; write a table of names and values"
            )
        known = {f.name: getattr(cls(), f.name) for f in fields(cls)}
        if unknown := [k for k in values if k not in known]:
            raise FedkitError(
                f"unknown assumption {printable_line(unknown[0])!r}; known: {', '.join(known)}"
            )
        usual = cls()
        read = replace(usual, **{k: _read_value(k, v, known[k]) for k, v in values.items()})
        same = [name for name in MONEY if getattr(read, name).value == getattr(usual, name).value]
        if read.currency != usual.currency and same:
            raise FedkitError(
                f"currency {read.currency} given, and {', '.join(same)} still as in"
                f" {usual.currency}; write them in {read.currency} too"
            )
        return read

    def to_toml(self) -> str:
        """Return the assumptions as a file to edit, with a comment on each."""
        out = [f"# {line}" for line in COMMENTS["head"].splitlines()]
        for f in fields(self):
            value = getattr(self, f.name)
            if not isinstance(value, Assumed):
                out += ["", f"# {COMMENTS[f.name]}", f"{f.name} = {_toml(value)}"]
        for name, a in self.numbers.items():
            lines = [f"{key} = {_toml(getattr(a, key))}" for key in ("value", "low", "high")]
            lines += [f"source = {_toml(a.source or brief_text('source.given', 'en') * a.given)}"]
            out += ["", f"# {COMMENTS[name]}", f"[{name}]", *lines]
        return "\n".join(out) + "\n"


# amounts that another currency changes for certain
MONEY = ("hourly_cost", "setup_per_site", "running_per_site")
COMMENTS = read_packaged_words("fedkit.reports.text", "assumptions.toml")


def compute_returns(found: Verdict, assumptions: Assumptions, lang: str) -> Returns:
    """Return the yearly return of all companies, its swings, break-even and assumptions."""
    a, net, once = assumptions, yearly_net(found, assumptions), _setup(found, assumptions)
    swings = _swings(found, a, lang)
    done = Returns(
        a.currency,
        _value(found, a, _share(found)),
        _running(found, a),
        once,
        net,
        months=0.0 if once <= 0 else 12 * once / net if net > 0 else None,
        swings=swings,
        curve=tuple((m, net * m / 12 - once) for m in range(0, 12 * YEARS + 1, 6)),
        assumptions=_assumption_facts(a, lang),
        break_even=(*_break_even(found, a, lang), *_negligible(a, swings, lang)),
    )
    return replace(done, sentence=_sentence(found, done, lang))


def yearly_net(found: Verdict, assumptions: Assumptions, share: float | None = None) -> float:
    """Return the net value of a year. share: gain in right answers; None: the measured one."""
    share = _share(found) if share is None else share
    return _value(found, assumptions, share) - _running(found, assumptions)


def _share(found: Verdict) -> float:
    """Return the gain in right answers on own daily texts, a share of reports; 0 if unknown."""
    return found.gain.value if found.gain else 0.0


def _value(found: Verdict, a: Assumptions, share: float) -> float:
    hours = a.minutes_per_right_answer.value / 60
    return found.n_clients * a.reports_per_company.value * share * hours * a.hourly_cost.value


def _running(found: Verdict, a: Assumptions) -> float:
    sent = _known(found.traffic) / GB * a.trainings_per_year.value
    return found.n_clients * a.running_per_site.value + sent * a.traffic_price_per_gb.value


def _setup(found: Verdict, a: Assumptions) -> float:
    download = _known(found.base) / GB * a.traffic_price_per_gb.value
    return found.n_clients * (a.setup_per_site.value + download)


def _known(size: float) -> float:
    return size if math.isfinite(size) else 0.0


def _swings(found: Verdict, a: Assumptions, lang: str) -> tuple[Swing, ...]:
    """Return the yearly net at the low and high value of each assumption that matters."""
    out = []
    for name, assumed in a.numbers.items():
        ends = (assumed.low, assumed.high)
        at = [yearly_net(found, replace(a, **{name: replace(assumed, value=v)})) for v in ends]
        labels = [_amount(name, v, a.currency, lang) for v in ends]
        out.append(Swing(brief_text(f"assume.{name}", lang), *labels, *at))
    gain = found.gain
    if gain and math.isfinite(gain.low) and math.isfinite(gain.high):
        ends = [locale.points(v, lang) for v in (gain.low, gain.high)]
        at = [yearly_net(found, a, v) for v in (gain.low, gain.high)]
        out.append(Swing(brief_text("assume.gain", lang), *ends, *at))
    out.sort(key=_width, reverse=True)
    return tuple(swing for swing in out if _width(swing) > SMALL * _width(out[0]))


def _width(swing: Swing) -> float:
    return abs(swing.at_high - swing.at_low)


def _negligible(a: Assumptions, swings: tuple[Swing, ...], lang: str) -> tuple[str, ...]:
    """Return a sentence with the assumptions that hardly change the yearly net."""
    names = [brief_text(f"assume.{name}", lang) for name in a.numbers]
    left = [name for name in names if name not in {swing.name for swing in swings}]
    return (brief_text("returns.still", lang, names=locale.name_list(left, lang)),) if left else ()


def _break_even(found: Verdict, a: Assumptions, lang: str) -> tuple[str, ...]:
    """Return at which values, all else as given, a year's net is zero: it is linear in each."""
    gain, running = _value(found, a, _share(found)), _running(found, a)
    if gain <= 0:
        return (brief_text("returns.no_even", lang),)
    even = {
        name: _amount(name, a.numbers[name].value * running / gain, a.currency, lang)
        for name in ("reports_per_company", "minutes_per_right_answer")
    }
    even["gain"] = locale.unsigned_points(_share(found) * running / gain, lang)
    return tuple(
        brief_text("returns.even", lang, name=brief_text(f"assume.{name}", lang), at=at)
        for name, at in even.items()
    )


def _assumption_facts(a: Assumptions, lang: str) -> tuple[Fact, ...]:
    """Return each assumption with its range and source."""
    out = []
    for name, n in a.numbers.items():
        low, high = (_amount(name, v, a.currency, lang) for v in (n.low, n.high))
        spread = brief_text("assume.range", lang, low=low, high=high)
        value = _amount(name, n.value, a.currency, lang)
        out.append(Fact(brief_text(f"assume.{name}", lang), value, spread, n.describe_source(lang)))
    return tuple(out)


def _amount(name: str, value: float, currency: str, lang: str) -> str:
    if name in (*MONEY, "traffic_price_per_gb"):
        return locale.money(value, currency, lang)
    digits = 0 if value == round(value) or value >= 100 else 1
    return brief_text(f"unit.{name}", lang, value=locale.number(value, lang, digits))


def _sentence(found: Verdict, r: Returns, lang: str) -> str:
    if found.gain is None:
        return brief_text("returns.unknown", lang)
    names = ("gain", "running", "net", "setup")
    amounts = {k: locale.money(getattr(r, k), r.currency, lang) for k in names}
    if r.months is None:
        return brief_text("returns.never", lang, **amounts)
    months = locale.number(math.ceil(r.months), lang)
    return brief_text("returns.paid", lang, months=months, **amounts)


def _read_value(name: str, given: Any, usual: Any) -> Any:
    """Return one assumption as written. Raises FedkitError that says what is allowed."""
    for kind, read in ((Assumed, _assumed), (tuple, _profiles), (str, _word)):
        if isinstance(usual, kind):
            return read(name, given)
    value, allowed = _number(name, given), ""
    if not value > 0:
        allowed = "write a number above 0"
    elif name == "night_hours" and value > 24:
        allowed = "write a number up to 24, and more nights"
    return value if not allowed else _refuse(f"{name} is {value:g}; {allowed}")


def _refuse(what: str) -> NoReturn:
    raise FedkitError(f"assumption {what}")


def _assumed(name: str, given: Any) -> Assumed:
    if not isinstance(given, Mapping):
        value = _number(name, given)
        return Assumed(value, value / 2, value * 2, given=True)
    if unknown := [k for k in given if k not in ("value", "low", "high", "source")]:
        _refuse(f"{name} has {printable_line(unknown[0])!r}; known: value, low, high, source")
    if "value" not in given:
        _refuse(f"{name} has no value; write value = NUMBER below [{name}]")
    value = _number(name, given["value"])
    low = _number(name, given.get("low", value / 2))
    high = _number(name, given.get("high", value * 2))
    if not low <= value <= high:
        _refuse(
            f"{name}: low {low:g}, value {value:g}, high {high:g};"
            " they have to be in this order: change low and high with it"
        )
    source = given.get("source", "")
    if not isinstance(source, str):
        _refuse(f"{name}: source is no text; say in a few words where the number is from")
    return Assumed(value, low, high, printable_line(source, 200))


def _number(name: str, given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not 0 <= given <= MOST:
        _refuse(f"{name} is {printable_line(repr(given))}; write a number from 0 to {MOST:g}")
    return float(given)


def _profiles(name: str, given: Any) -> tuple[str, ...]:
    listed = isinstance(given, (list, tuple)) and 1 <= len(given) <= 4
    if not listed or not all(isinstance(g, str) for g in given):
        _refuse(f"{name} is {printable_line(repr(given))}; write a list of one to four profiles")
    for spec in given:
        (parse_link if name == "links" else parse_device)(spec)
    return tuple(given)


def _word(name: str, given: Any) -> str:
    code = isinstance(given, str) and len(given) == 3 and given.isascii() and given.isalpha()
    if not (code if name == "currency" else isinstance(given, str)):
        _refuse(f"{name} is {printable_line(repr(given))}; {COMMENTS[name]}")
    if name == "currency":
        return given.upper()
    parse_privacy_need(given)
    return given.strip()


def _toml(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return f"{value:.0f}" if value == round(value) else repr(float(value))
