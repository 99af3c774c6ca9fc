"""Hostile text, and a parser that shows what a browser would be given."""

from __future__ import annotations

from html.parser import HTMLParser

EVIL = "</script><script>alert('x')</script><img src=http://evil.example/x onerror=alert(1)>"


class Page(HTMLParser):
    """Tags with their attributes, and the text outside of scripts and styles."""

    def __init__(self, html: str):
        super().__init__()
        self.tags, self.words, self.scripts, self._in = [], [], [], ""
        self.feed(html)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._in = tag

    def handle_endtag(self, tag):
        self._in = ""

    def handle_data(self, data):
        if self._in not in ("script", "style"):
            self.words.append(data)
        elif self._in == "script":
            self.scripts.append(data)
