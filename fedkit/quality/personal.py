"""Find and mask likely personal data in Japanese and English texts.

A search by patterns, check digits and neighbouring words, not a proof of absence: it knows forms
(an e-mail address, a telephone number) and names only in obvious places (田中様, Mr Smith,
氏名：…). Full-width letters and digits are folded first; positions are those of the given text.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fedkit.core.files import read_packaged_text

LONGEST = 100_000  # characters of a text that are looked at


@dataclass(frozen=True)
class Span:
    """text[start:end] is likely personal data of this kind (a key of MASKS)."""

    kind: str
    start: int
    end: int


def find_personal_data(text: str) -> list[Span]:
    """Return all likely personal data in `text`, in order and without overlaps.

    A text without any sign of personal data costs one search.
    """
    folded = text[:LONGEST].translate(_FOLD)
    if not _SIGN.search(folded):
        return []
    found: list[Span] = []
    taken = bytearray(len(folded))  # 1 for each character of a find
    for kind, sign, search in FINDERS:
        if sign.search(folded):
            for start, end in search(folded):
                if not any(taken[start:end]):
                    taken[start:end] = b"\1" * (end - start)
                    found.append(Span(kind, start, end))
    return sorted(found, key=lambda span: span.start)


def mask_personal_data(text: str, language: str | None = None) -> str:
    """Return `text` with each find replaced by its kind, such as [email] or [メール]; idempotent.

    language: language of the inserted words, "en" or "ja"; None means "en".
    """
    for _ in range(10):  # a find may show only after its neighbour is masked
        if not (spans := find_personal_data(text)):
            break
        ends = [0, *(span.end for span in spans)]
        parts = (
            f"{text[end : span.start]}[{MASKS[span.kind][language == 'ja']}]"
            for end, span in zip(ends, spans)
        )
        text = "".join(parts) + text[ends[-1] :]
    return text


# --- check digits


def passes_luhn(digits: str) -> bool:
    """Return whether the check digit of a payment card is right (ISO/IEC 7812-1, annex B)."""
    doubled = [int(d) * (1 + i % 2) for i, d in enumerate(reversed(digits))]
    return sum(d - 9 * (d > 9) for d in doubled) % 10 == 0


def is_my_number(digits: str) -> bool:
    """Return whether the check digit of a 12-digit Individual Number (My Number) is right.

    Source: Ordinance of the Ministry of Internal Affairs and Communications No. 85 of 2014
    (平成26年総務省令第85号), article 5: 11 - (sum of P_n * Q_n for n = 1..11, modulo 11), P_n the
    n-th digit from the right before the check digit, Q_n = n + 1 up to n = 6 and n - 5 from n = 7;
    0 where the remainder is 0 or 1.
    """
    if len(digits) != 12 or len(set(digits)) == 1:
        return False
    body = [int(d) for d in reversed(digits[:11])]
    rest = sum(p * (n + 1 if n <= 6 else n - 5) for n, p in enumerate(body, start=1)) % 11
    return int(digits[11]) == (0 if rest <= 1 else 11 - rest)


def is_iban(code: str) -> bool:
    """Return whether an International Bank Account Number is valid (ISO 13616: modulo 97 is 1)."""
    return (
        15 <= len(code) <= 34
        and int("".join(str(int(c, 36)) for c in code[4:] + code[:4])) % 97 == 1
    )


def is_card_number(digits: str) -> bool:
    """Return whether digits are a card number, by issuer's prefix and length and check digit."""
    return (
        len(set(digits)) > 1
        and any(re.match(p, digits) and len(digits) in n for p, n in _CARDS)
        and passes_luhn(digits)
    )


_CARDS = (
    (r"4", (16, 19)),
    (r"5[1-5]|2(2[3-9]|[3-6]|7[01]|22[1-9]|720)", (16,)),
    (r"3[47]", (15,)),
    (r"35(2[89]|[3-8])", (16,)),
    (r"3(0[0-5]|[689])", (14,)),
    (r"6(011|5|4[4-9])", (16,)),
    (r"62", (16, 17, 18, 19)),
)

# --- the finders: folded text -> (start, end)


def _word_lists() -> dict[str, frozenset[str]]:
    """Return the lists of `names_ja.txt`: {name in brackets: the words below it}."""
    lists: dict[str, list[str]] = {}
    for line in read_packaged_text("fedkit.quality", "names_ja.txt").splitlines():
        if line.startswith("["):
            words = lists.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            words += line.split()
    return {name: frozenset(words) for name, words in lists.items()}


_LISTS = _word_lists()
_SURNAMES, _GIVEN_ENDS = _LISTS["surnames"], _LISTS["given_end"]
_NOT_NAMES, _NOT_NAME_ENDS = _LISTS["not_names"], _LISTS["not_name_ends"]
_NOT_ENGLISH, _NOT_KATAKANA = _LISTS["not_english"], _LISTS["not_katakana"]

_FOLD = {
    **{i: i - 0xFEE0 for i in range(0xFF01, 0xFF5F) if chr(i) != "～"},
    0x3000: " ",
    0xA0: " ",
    0x2003: " ",
    0x2002: " ",
    **dict.fromkeys((0x2010, 0x2011, 0x2012, 0x2013, 0x2014, 0x2015, 0x2212), "-"),
}
_HAN = "一-龥々ヶ髙﨑"
_BEFORE = r"(?<![A-Za-z0-9])(?<![A-Za-z0-9][-_/#.])"
_AFTER = r"(?![A-Za-z0-9])(?![-/_][A-Za-z0-9])"
# Words before a number that make it a reference (ticket, serial number) and not personal.
_REFERENCE = re.compile(
    r"(品番|型番|部品|型式|伝票|注文|受注|発注|管理番号|受付番号|番号は|シリアル|製造番号"
    r"|チケット|ロット|資産|請求書|案件|バージョン|追跡|コード|ID"
    r"|ticket|order|part|serial|invoice|\bPO|SKU|model|\blot|asset|version|incident|case"
    r"|tracking|ref(?:erence)?|S/N|P/N|error|build|batch|id|code)"
    r"\W{0,3}(?:no|number|num|番号)?\W{0,4}$",
    re.IGNORECASE,
)
_CALL = re.compile(
    r"(tel|phone|call|mobile|cell|fax|ring|whatsapp|電話|携帯|連絡先|内線)[^0-9]{0,12}$",
    re.IGNORECASE,
)
_PREFECTURE = (
    "(?:東京都|北海道|京都府|大阪府"
    "|(?:青森|岩手|宮城|秋田|山形|福島|茨城|栃木|群馬|埼玉|千葉|神奈川|新潟|富山|石川|福井"
    "|山梨|長野|岐阜|静岡|愛知|三重|滋賀|兵庫|奈良|和歌山|鳥取|島根|岡山|広島|山口|徳島"
    "|香川|愛媛|高知|福岡|佐賀|長崎|熊本|大分|宮崎|鹿児島|沖縄)県)"
)
_NUMERAL = r"[\d一二三四五六七八九十]"
_BUILDING = "(?:ビル|マンション|ハイツ|アパート|コーポ|荘|タワー|レジデンス)"
_BLOCK = (
    rf"{_NUMERAL}{{1,4}}"
    rf"(?:(?:丁目|条(?=[東西南北\d])[東西南北]?|番地?の?|号|[-ーの]){_NUMERAL}{{0,4}}){{1,4}}"
    r"(?:号室|号)?"
    rf"(?: ?[{_HAN}ァ-ヶーA-Za-z]{{2,15}}{_BUILDING}?[ -]?\d{{1,4}}(?:号室|号|階|F))?"
)
_JA_ADDRESS = re.compile(
    rf"{_PREFECTURE} ?[^\s、。,0-9]{{1,25}}? ?{_BLOCK}"
    rf"|(?<![{_HAN}])(?!都市|地区|各市|全市)[{_HAN}]{{1,5}}[市区]"
    rf"[^\s、。,\dでをはが]{{1,15}}?{_BLOCK}"
    rf"|{_PREFECTURE}[^\s、。,0-9]{{1,12}}[市区町村]"
    r"[^\s、。,0-9]{1,12}?\d{1,5}(?:番地|番)?(?![\d年月日時分個件台円人名回度%])"
)
_NO_STREET = (
    "(?:Hard|Disk|Flash|USB|Network|Tape|Optical|Shared|External|Test|Google|Pen|Thumb|Map"
    "|Mapped|One|Backup|SSD|New|The|Same)"
)
_STREET = (
    "(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Way|Place|Pl"
    "|Square|Sq|Terrace|Close|Crescent|Gardens|Highway|Hwy|Parkway|Pkwy|Row|Hill|Grove)"
)
_EN_ADDRESS = re.compile(
    r"(?<![A-Za-z0-9_#.-])\d{1,5}[A-Za-z]?,? (?:[NSEW]\.? )?"
    rf"(?:(?!{_NO_STREET}\b)[A-Z][a-z'’]+\.? |\d{{1,3}}(?:st|nd|rd|th) ){{1,3}}"
    rf"{_STREET}\b"
    r"(?:,? (?:Apt|Apartment|Flat|Suite|Unit)\.? ?\w{1,5})?"
    r"|\bP\.?O\.? Box \d{1,6}\b"
)
_STATES = (
    "A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI"
    "|S[CD]|T[NX]|UT|V[AT]|W[AIVY]"
)
_POSTCODE = re.compile(
    r"〒 ?\d{3}[-ー]?\d{4}(?!\d)"
    rf"|(?<![A-Za-z0-9-])\d{{3}}[-ー]\d{{4}}(?= ?{_PREFECTURE})"
    r"|郵便番号[はが:\s]{0,3}(\d{3}[-ー]?\d{4})(?![\d-])"
    r"|(?<![A-Za-z0-9-])(?:[A-Z]{1,2}\d[A-Z\d]?|GIR) \d[ABD-HJLNP-UW-Z]{2}(?![A-Za-z0-9-])"
    rf"|(?<=, )(?:{_STATES}) \d{{5}}(?:-\d{{4}})?(?![\d-])"
    r"|(?<=[Zz][Ii][Pp] )(?:code )?\d{5}(?:-\d{4})?(?![\d-])"
)
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\.?"
_DATE = (
    r"(?:(?:19|20)\d\d ?[-/.年] ?\d{1,2} ?[-/.月] ?\d{1,2}日?"
    r"|(?:明治|大正|昭和|平成|令和|[MTSHR]\.?) ?(?:\d{1,2}|元)(?:年|[./-])"
    r" ?\d{1,2}(?:月|[./-]) ?\d{1,2}日?"
    r"|\d{1,2}[/.-]\d{1,2}[/.-](?:\d{4}|\d\d)(?!\d)"
    rf"|\d{{1,2}}(?:st|nd|rd|th)? (?:of )?{_MONTH},? \d{{4}}"
    rf"|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}}"
    r"|(?:19|20)\d{6}(?!\d))"
)
_BIRTH_DATE = re.compile(
    r"(?:生年月日|誕生日|お誕生日|\bDOB|\bD\.O\.B\.?"
    r"|[Dd]ate of [Bb]irth|[Bb]orn(?: on)?|[Bb]irthday|[Bb]irth ?date)"
    rf"(?:\(.{{0,8}}\))?[\s:=は、-]{{0,4}}(?:is |was )?(?:the )?({_DATE})"
    rf"|({_DATE}) ?(?:生まれ|生れ)"
)
_MAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}"
    r"@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9-])"
)
_URL = re.compile(r"https?://[^\s<>\"'「」()、。]{3,2000}", re.IGNORECASE)
_IN_URL = re.compile(
    r"//[^/?#]{1,200}@"
    r"|[?&;#](?:user(?:name|_?id)?|e?-?mail|token|session(?:_?id)?|sid|api_?key|key|password"
    r"|pass|pwd|name|uid|phone|tel|login|account|customer_?id|employee_?id|auth)=[^&]",
    re.IGNORECASE,
)
_IBAN = re.compile(
    r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])"
)
_CARD = re.compile(
    r"(?<![\d.-])(?<![A-Za-z])"
    r"\d{3,4}(?:(?:[ -]?\d{4}){2,4}|[ -]?\d{6}[ -]?\d{4,5})(?:[ -]?\d{1,3})?(?![\d-])"
)
_MY_NUMBER = re.compile(
    r"(?<![\d.-])(?<![A-Za-z])"
    r"(?:\d{12}|\d{4}-\d{4}-\d{4}|\d{4} \d{4} \d{4})(?![\d-])(?! \d{4})(?!\.\d)"
)
_TIMESTAMP = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])(?:[01]\d|2[0-3])[0-5]\d")
_IPV4 = re.compile(
    r"(?<![A-Za-z0-9_.-])(?:\d{1,3}\.){3}\d{1,3}(?![A-Za-z0-9_-])(?!\.\d)"
    r"(?! ?(?:release|build|update|version|版|以降))"
)
_IPV6 = re.compile(
    r"(?<![A-Za-z0-9_:.])(?:[0-9A-Fa-f]{1,4}:{1,2}){2,7}[0-9A-Fa-f]{1,4}(?![A-Za-z0-9_:])"
)
_VERSION = re.compile(
    r"(?:\bv|ver(?:sion)?|バージョン|ファーム(?:ウェア)?|firmware|release|build|rev|update"
    r"|driver|ドライバー?|版|\bOS)\W{0,3}$",
    re.I,
)
_BANK = re.compile(
    r"(?:口座番号|普通預金|普通口座|当座預金|account (?:no\.?|number))"
    r"[\s:はが#]{0,4}(\d{6,10})(?!\d)",
    re.I,
)
_STAFF = re.compile(
    r"(?:社員番号|従業員番号|職員番号|社員ID|社員コード"
    r"|employee (?:id|no\.?|number)|staff (?:id|no\.?|number))"
    r"[\s:はが#]{0,4}([A-Za-z]{0,2}-?\d{3,10})(?!\d)",
    re.I,
)
_HONORIFIC = re.compile(
    rf"([{_HAN}]{{1,8}})[ ]?"
    r"(様(?![子式々相態])|さん(?![ぽか]く)|氏(?!名)|殿(?!堂)|君|くん|先生"
    r"|部長|課長|係長|主任|社長|店長|専務|常務|取締役|主査|次長|室長|所長|工場長)"
)
_KATAKANA = re.compile(r"(?<![ァ-ヶー])([ァ-ヶー]{2,10}(?:[・ ][ァ-ヶー]{2,10})?)(?:様|さん)")
_LABEL = re.compile(
    r"(?:氏名|お?名前|フルネーム|担当(?:者名?)?|利用者名?|申請者名?|報告者名?|記入者名?"
    r"|連絡者|依頼者名?|発信者|使用者名?|フリガナ|ふりがな|代表者)"
    r"(?:\([^)]{1,6}\))? ?[:=] ?"
    rf"((?:[{_HAN}]{{1,4}}[ ]?[{_HAN}ぁ-んァ-ヶー]{{0,6}})"
    r"|[ァ-ヶー]{2,8}[ ・]?[ァ-ヶー]{0,8}"
    r"|[A-Z][A-Za-z'-]+(?: [A-Z][A-Za-z'-]+){0,2})"
)
_FULL = re.compile(rf"(?<![{_HAN}])([{_HAN}]{{3,6}}|[{_HAN}]{{2,3}} [{_HAN}]{{1,3}})(?![{_HAN}])")
_SELF = re.compile(
    r"(?:^|[。、!\n ]"
    r"|(?:部|課|店|係|室|社|局|所|場|科|班|ループ|ーム"
    r"|担当|経理|総務|人事|営業|製造|開発|情報|法務|品質|物流)の)"
    rf"([{_HAN}]{{1,3}})"
    r"(?:と申します|と言います|ですが|です[。、 ]|です$)"
)
_WORD = r"[A-Z](?:[a-zA-Z-]|['’](?!s\b)){0,30}[a-z]"
_TITLE = re.compile(
    r"\b(?:Mr|Mrs|Ms|Mx|Miss|Dr|Prof)\b\.? ((?:[A-Z]\.? ){0,2}N_(?: N_)?)".replace("N_", _WORD)
)
_SPOKEN = re.compile(
    (
        r"\b(?:[Dd]ear|DEAR|[Mm]y name is|[Mm]y name's|[Hh]i|[Hh]ello)"
        r"[ ,]+(N_(?: N_)?)(?=[ ,.!:;\n]|$)"
        r"|\b[Tt]his is (N_(?: N_)?)(?=,? (?:from|in|at|speaking|calling|here)\b)"
        r"|(?:[Rr]egards|[Tt]hanks|[Cc]heers|[Ss]incerely|[Bb]est(?: wishes)?|[Tt]hank you)"
        r"[,.!]?\s+(N_(?: N_)?)\.?\s*$"
        r"|(?:^|[,;.|\n][^\S\n]*"  # with \s*, many line ends would cost their square
        r"|\b(?:[Ff]ull|[Ff]irst|[Ll]ast|[Cc]ustomer|[Ee]mployee|[Cc]ontact|[Cc]aller) )"
        r"[Nn]ame ?[:=] ?(N_(?: N_){0,2})"
        r"|\b(?:[Cc]ontact(?: person)?|[Rr]eported by|[Rr]equested by|[Ss]ubmitted by"
        r"|[Cc]aller|[Ee]mployee|[Pp]atient) ?[:=] ?(N_(?: N_){1,2})"
        r"|\b(?:[Rr]eported by|[Cc]all|[Cc]ontact|[Aa]sk) (N_ N_)(?= (?:on|at|by|via|\(|from|in)\b)"
    ).replace("N_", _WORD)
)
_PLACES = frozenset("県市区町村郡駅店社部課係局内外側城港寺大")
_PAIRS = Iterator[tuple[int, int]]


def _matches(
    form: re.Pattern[str], fits: Callable[[re.Match[str], str], bool] = lambda m, t: True
) -> Callable[[str], _PAIRS]:
    """Return a finder of matches of `form` that `fits` accepts.

    The find is the first group that matched, or the whole match where there is none.
    """

    def search(text: str) -> _PAIRS:
        for m in form.finditer(text):
            if fits(m, text):
                group = next(
                    (i for i, value in enumerate(m.groups(), 1) if value and value.strip()), 0
                )
                yield m.span(group)

    return search


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _before(m: re.Match[str], text: str) -> str:
    return text[max(0, m.start() - 24) : m.start()]


def _is_my_number_match(m: re.Match[str], text: str) -> bool:
    before, digits = _before(m, text), _digits(m[0])
    if not is_my_number(digits):
        return False
    return bool(re.search(r"マイナンバー|個人番号|my ?number", before, re.I)) or not (
        _REFERENCE.search(before) or _TIMESTAMP.fullmatch(m[0])
    )


def _follows_reference(before: str) -> bool:
    return bool(_REFERENCE.search(before)) and not _CALL.search(before)


def _is_international(digits: str, before: str) -> bool:
    return 8 <= len(digits) <= 15 and not re.search(r"\d[.,]? ?$|UTC$|GMT$", before)


def _is_hyphenated(digits: str, before: str) -> bool:
    mobile = re.match(r"0[5-9]0", digits)
    return len(digits) in (10, 11) and not (_follows_reference(before) and not mobile)


def _is_national(digits: str, before: str) -> bool:
    return len(digits) in (10, 11) and not _follows_reference(before)


def _is_no_reference(digits: str, before: str) -> bool:
    return not _follows_reference(before)


def _follows_call(digits: str, before: str) -> bool:
    return bool(_CALL.search(before))


def _follows_english_call(digits: str, before: str) -> bool:
    return bool(re.search(r"(?:phone|call|tel|ring|cell|mobile)\b[^0-9]{0,12}$", before, re.I))


# Forms of telephone numbers, each with what decides from its digits and the text before it.
_PHONES = tuple(
    (re.compile(_BEFORE + f"(?:{form})" + _AFTER), fits)
    for form, fits in (
        (r"\+\d{1,3}(?:[- .]?\(0?\d{0,4}\))?(?:[- .]?\d{1,5}){2,5}", _is_international),
        (r"0\d{1,4}[-ー]\d{1,4}[-ー]\d{3,4}", _is_hyphenated),
        (r"\(?0\d{1,4}\)[- ]?\d{1,4}[- ]?\d{3,4}", _is_national),
        (r"0\d{1,3}\(\d{1,4}\)\d{3,4}", _is_national),
        (r"0\d{1,4} \d{3,4} \d{3,4}|0\d{3,4} \d{6}", _is_national),
        (r"0[5-9]0\d{8}", _is_no_reference),
        (r"0\d{9,10}", _follows_call),
        (r"(?:1[-. ])?\(?[2-9]\d\d\)?[-. ]\d{3}[-. ]\d{4}", _is_no_reference),
        (r"\d{3}-\d{4}", _follows_english_call),
    )
)


def _phones(text: str) -> _PAIRS:
    for form, fits in _PHONES:
        for m in form.finditer(text):
            if fits(_digits(m[0]), _before(m, text)):
                yield m.span()


def _is_ipv4(m: re.Match[str], text: str) -> bool:
    parts = [int(part) for part in m[0].split(".")]
    masks = parts[0] in (0, 127, 255) or max(parts) < 10
    return max(parts) < 256 and not masks and not _VERSION.search(_before(m, text))


def _is_ipv6(m: re.Match[str], text: str) -> bool:
    if (m[0].count(":") < 7 and "::" not in m[0]) or (
        not re.search("[A-Fa-f]", m[0]) and m[0].count(":") < 7
    ):
        return False
    try:
        return ipaddress.IPv6Address(m[0]).is_loopback is False
    except ValueError:
        return False


def _honorific_names(text: str) -> _PAIRS:
    for m in _HONORIFIC.finditer(text):
        run, word = m[1], m[2]
        start = _surname(run)
        if start is None and word in ("様", "さん") and 2 <= len(run) <= 3 and _may_be_name(run):
            start = 0
        if start is not None:
            yield m.start() + start, m.end(1)


def _surname(run: str) -> int | None:
    """Return where a surname (and given name) at the end of the kanji begins, None without one."""
    for start in range(len(run)):
        for long in (3, 2):
            given = run[start + long :]
            if run[start : start + long] in _SURNAMES and (
                not given or (len(given) <= 3 and given[-1] in _GIVEN_ENDS)
            ):
                return start
    return 0 if run in _SURNAMES else None


def _is_full(run: str) -> bool:
    """Return whether kanji are a listed surname and a given name, and no place, office or shop.

    A given name is two or three kanji that end as given names do.
    """
    for long in (2, 3):
        given = run[long:].strip()
        if (
            run[:long] in _SURNAMES
            and 2 <= len(given) <= 3
            and given[-1] in _GIVEN_ENDS
            and given[0] not in _PLACES
        ):
            return True
    return False


def _may_be_name(run: str) -> bool:
    return run not in _NOT_NAMES and run[-2:] not in _NOT_NAMES and run[-1] not in _NOT_NAME_ENDS


def _is_english_name(m: re.Match[str], text: str) -> bool:
    name = next(value for value in m.groups() if value)
    return not _NOT_ENGLISH & set(name.split())


def _is_labelled_name(m: re.Match[str], text: str) -> bool:
    name = m[1].replace(" ", "")
    return (
        not re.match(r"未定|不明|なし|無し|同上|本人|別途|空欄|情報|総務|人事|営業|経理", name)
        and name[-1] not in "部課係室社店局"
    )


def _names(text: str) -> _PAIRS:
    for search in _NAMES:
        yield from search(text)


_NAMES = (
    _honorific_names,
    _matches(
        _KATAKANA,
        lambda m, t: (
            m[1] not in _NOT_KATAKANA and not any(m[1].endswith(word) for word in _NOT_KATAKANA)
        ),
    ),
    _matches(_LABEL, _is_labelled_name),
    _matches(_FULL, lambda m, t: _is_full(m[0])),
    _matches(_SELF, lambda m, t: m[1] in _SURNAMES and (len(m[1]) > 1 or "申します" in m[0])),
    _matches(_TITLE, lambda m, t: m[1].split()[-1] not in _NOT_ENGLISH),
    _matches(_SPOKEN, _is_english_name),
)

_LONG_NUMBER = re.compile(r"\d(?:[-ー .()+]{0,2}\d){6}")
_DIGIT = re.compile(r"\d")
_NAME_SIGN = re.compile(
    r"様|さん|氏|殿|君|くん|先生|[部課係社店室所場]長|主任|専務|常務|取締役|主査|次長"
    r"|前 ?[:=]|名(?:\([^)]{1,6}\))? ?[:=]|[者ナな当] ?[:=]|申し|言います|です"
    r"|\bM[rsx]s?\b|Miss|\bDr|Prof"
    r"|[Dd]ear|DEAR|[Nn]ame|\bHi|\bhi|[Hh]ello|This is|this is|egards|hank|heers|incerely|\b[Bb]est"
    r"|ontact|by|aller|mployee|atient|\b[Cc]all\b|\b[Aa]sk\b"
    rf"|[{_HAN}]{{2,3}} ?[{_HAN}]{{1,2}}[{''.join(sorted(_GIVEN_ENDS))}](?![{_HAN}])"
)
# (kind, cheap sign that a search is worth it, search); earlier ones claim their characters first.
FINDERS: tuple[tuple[str, re.Pattern[str], Callable[[str], _PAIRS]], ...] = (
    ("url", re.compile("https?://", re.I), _matches(_URL, lambda m, t: bool(_IN_URL.search(m[0])))),
    ("email", re.compile("@"), _matches(_MAIL)),
    (
        "iban",
        re.compile(r"[A-Z]{2}\d\d ?[A-Z0-9]{4}"),
        _matches(_IBAN, lambda m, t: is_iban(m[0].replace(" ", ""))),
    ),
    ("card", _LONG_NUMBER, _matches(_CARD, lambda m, t: is_card_number(_digits(m[0])))),
    ("my-number", _LONG_NUMBER, _matches(_MY_NUMBER, _is_my_number_match)),
    ("date-of-birth", re.compile("生|[Bb]orn|[Bb]irth|DOB|D\\.O"), _matches(_BIRTH_DATE)),
    ("bank-account", re.compile("口座|預金|[Aa]ccount|ACCOUNT"), _matches(_BANK)),
    ("staff-number", re.compile("員|[Ee]mployee|[Ss]taff"), _matches(_STAFF)),
    (
        "postal-address",
        re.compile(r"[都道府県市区]|\d[A-Za-z]?,? (?:[NSEW]\.? )?[A-Z1-9]|Box"),
        lambda text: (m.span() for form in (_JA_ADDRESS, _EN_ADDRESS) for m in form.finditer(text)),
    ),
    (
        "postal-code",
        re.compile(r"〒|\d{3}[-ー]?\d{4}|\d[A-Z]{2}|[A-Z]{2} \d{5}|[Zz][Ii][Pp]"),
        _matches(_POSTCODE),
    ),
    ("phone", _LONG_NUMBER, _phones),
    (
        "ip",
        re.compile(r"\d\.\d{1,3}\.|:[0-9A-Fa-f]{0,4}:"),
        lambda text: (*_matches(_IPV4, _is_ipv4)(text), *_matches(_IPV6, _is_ipv6)(text)),
    ),
    ("name", _NAME_SIGN, _names),
)
_SIGN = re.compile(
    "@|https?://|Box|" + _DIGIT.pattern + "|[一二三四五六七八九]丁目|" + _NAME_SIGN.pattern, re.I
)
# kind -> the word put in its place, in English and in Japanese
MASKS = {
    "url": ("url", "URL"),
    "email": ("email", "メール"),
    "iban": ("iban", "IBAN"),
    "card": ("card", "カード番号"),
    "my-number": ("my-number", "個人番号"),
    "date-of-birth": ("date-of-birth", "生年月日"),
    "bank-account": ("bank-account", "口座番号"),
    "staff-number": ("staff-number", "社員番号"),
    "postal-address": ("postal-address", "住所"),
    "postal-code": ("postal-code", "郵便番号"),
    "phone": ("phone", "電話"),
    "ip": ("ip", "IP"),
    "name": ("name", "氏名"),
}
