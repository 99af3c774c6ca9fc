"""What a figure says in words."""

from __future__ import annotations


def notes_of(fig) -> str:
    """The texts of all annotations."""
    return " ".join(note.text for note in fig.layout.annotations)


def words_of(fig) -> str:
    """The texts of all annotations and the title, with plain spaces for breaks."""
    return (notes_of(fig) + fig.layout.title.text).replace("<br>", " ").replace("\u00a0", " ")
