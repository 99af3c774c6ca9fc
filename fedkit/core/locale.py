"""Numbers, dates, money, bytes and seconds as text, in English and in Japanese."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence

LANGS = ("en", "ja")
UNKNOWN = {"en": "not known", "ja": "不明"}
RANGE = {"en": " to ", "ja": "〜"}
POINTS = {"en": " points", "ja": "ポイント"}
MONTHS = "January February March April May June July August September October November December"
SIGNS = {"JPY": "¥", "USD": "$", "EUR": "€", "GBP": "£"}
NAMES_JA = {"JPY": "円", "USD": "米ドル", "EUR": "ユーロ", "GBP": "ポンド"}
SIZES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
# seconds per unit, smallest value in it, names
TIMES = ((3600.0, 7200.0, "h", "時間"), (60.0, 180.0, "min", "分"), (1.0, 0.0, "s", "秒"))
MINUS = "\u2212"  # a line never breaks after it, as it may after a hyphen
JOINED = "\u00a0"  # a space between a number and its unit, where no line may break


def number(value: float, lang: str, digits: int = 0) -> str:
    """Return a number with `digits` decimals, thousands grouped by commas: 1234.5 -> '1,234'."""
    if _odd(value):
        return UNKNOWN[lang]
    return f"{_unsigned_zero(value, digits):,.{digits}f}".replace("-", MINUS)


def percent(share: float, lang: str, digits: int = 1) -> str:
    """Return a share in percent: 0.853 -> '85.3%'."""
    return UNKNOWN[lang] if _odd(share) else f"{number(100 * share, lang, digits)}%"


def percent_range(low: float, high: float, lang: str) -> str:
    """Return an interval of shares: (0.831, 0.846) -> '83.1% to 84.6%', '83.1%〜84.6%'."""
    if _odd(low) or _odd(high):
        return UNKNOWN[lang]
    return f"{percent(low, lang)}{RANGE[lang]}{percent(high, lang)}"


def points(difference: float, lang: str) -> str:
    """Return a difference in percentage points: 0.042 -> '+4.2 points', '+4.2ポイント'."""
    return UNKNOWN[lang] if _odd(difference) else f"{_signed(difference, lang)}{POINTS[lang]}"


def unsigned_points(difference: float, lang: str) -> str:
    """Return the size of a difference, without its sign: 0.056 -> '5.6 points', '5.6ポイント'."""
    return points(abs(difference), lang).removeprefix("+")


def points_range(low: float, high: float, lang: str) -> str:
    """Return an interval in percentage points: (0.012, 0.071) -> '+1.2 to +7.1', '+1.2〜+7.1'."""
    if _odd(low) or _odd(high):
        return UNKNOWN[lang]
    return f"{_signed(low, lang)}{RANGE[lang]}{_signed(high, lang)}"


def data_size(size: float, lang: str) -> str:
    """Return a size in bytes: 3_400_000 -> '3.4 MB' (10^6 bytes), 18 -> '18 bytes', '18バイト'."""
    if _odd(size):
        return UNKNOWN[lang]
    for unit, name in SIZES:
        if size >= unit:
            return f"{_short(size / unit)}{JOINED}{name}"
    return f"{size:.0f}{f'{JOINED}bytes' if lang == 'en' else 'バイト'}"


def seconds(value: float, lang: str) -> str:
    """Return a time: 9000 -> '2.5 h', '2.5時間'; 45 -> '45 s', '45秒'; 0.3 -> '< 1 s'."""
    if _odd(value):
        return UNKNOWN[lang]
    if 0 < value < 1:
        return f"<{JOINED}1{JOINED}s" if lang == "en" else "1秒未満"
    unit, _, short, ja = next(t for t in TIMES if value >= t[1])
    return f"{_short(value / unit)}{f'{JOINED}{short}' if lang == 'en' else ja}"


def about_seconds(value: float, lang: str) -> str:
    """Return an approximate time: 7200 -> 'about 2 h', '約2時間'; below a second as `seconds`."""
    time = seconds(value, lang)
    if _odd(value) or value < 1:
        return time
    return f"about {time}" if lang == "en" else f"約{time}"


def money(value: float, currency: str, lang: str) -> str:
    """Return an amount of money: (1_800_054, JPY) -> '¥1,800,000', '180万円'.

    From 100,000 on rounded to three significant digits; an unknown currency is named by its code.
    """
    if _odd(value):
        return UNKNOWN[lang]
    digits = 0 if abs(value) >= 100 or value == round(value) else 2
    sign, size = MINUS * (_unsigned_zero(value, digits) < 0), _round_large(abs(value))
    if lang == "en":
        before = SIGNS.get(currency, f"{currency}{JOINED}")
        return f"{sign}{before}{number(size, lang, digits)}"
    name = NAMES_JA.get(currency, f"{JOINED}{currency}")
    if size < 1e4 or size % 1e3:
        return f"{sign}{number(size, lang, digits)}{name}"
    if size < 1e6:
        tens = _short(size / 1e4) if size < 99_500 else f"{size / 1e4:.1f}".removesuffix(".0")
        return f"{sign}{tens}万{name}"
    big, rest = divmod(round(size / 1e4), 10_000)
    return f"{sign}{f'{big:,}億' * bool(big)}{f'{rest:,}万' * bool(rest)}{name}"


def date(day: datetime.date, lang: str) -> str:
    """Return a date: '23 November 2026', '2026年11月23日'."""
    if lang == "ja":
        return f"{day.year}年{day.month}月{day.day}日"
    return f"{day.day} {MONTHS.split()[day.month - 1]} {day.year}"


def name_list(names: Sequence[str], lang: str, limit: int = 4) -> str:
    """Return names as a list: 'a, b and c', 'a、b、c'; beyond `limit`, how many more there are."""
    shown, more = list(names[:limit]), len(names) - limit
    if lang == "ja":
        return "、".join(shown) + (f"、ほか{more:,}件" if more > 0 else "")
    shown += [f"{more:,} more"] if more > 0 else []
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1]))) if shown else ""


def _odd(value: float | None) -> bool:
    return value is None or not math.isfinite(value)


def _round_large(size: float) -> float:
    """Round to three significant digits from 100,000 on: 618,878 -> 619,000."""
    step = 10 ** (math.floor(math.log10(size)) - 2) if size >= 1e5 else 0
    return round(size / step) * step if step else size


def _short(value: float) -> str:
    """Return a number with one decimal below 10 unless it is zero: 3.4, 2, 195, 1,950."""
    return f"{value:,.1f}".removesuffix(".0") if value < 9.95 else f"{value:,.0f}"


def _signed(difference: float, lang: str) -> str:
    value = _unsigned_zero(100 * difference, 1)
    return f"{'+' if value > 0 else ''}{number(value, lang, 1)}"


def _unsigned_zero(value: float, digits: int) -> float:
    return 0.0 if round(value, digits) == 0 else value
