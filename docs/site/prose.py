"""How does a docstring, which is plain text, become reStructuredText?

In it `x` is code, and nothing else is markup: a * is a star. Its first line is an equation or a
sentence. A line `name  text` says what an argument is, and lines further right are code.
"""

import re

MARKUP = re.compile(r"([\\*|_`])")
ITEM = re.compile(r"^(?P<name>\S.*?) {2,}(?P<text>\S.*)$")


def inline(text: str) -> str:
    """A line as reStructuredText: `x` is code, everything else stands for itself."""
    *pairs, last = text.split("`")
    if len(pairs) % 2:  # a quote that nobody closes
        return escaped(text)
    parts = [*pairs, last]
    for i in range(1, len(parts), 2):
        parts[i] = code(parts[i]) + (r"\ " if parts[i + 1][:1].isalnum() else "")
    return "".join(x if i % 2 else escaped(x) for i, x in enumerate(parts))


def escaped(text: str) -> str:
    return MARKUP.sub(r"\\\1", text)


def code(text: str) -> str:
    return f"``{text.strip()}``"


def rst(lines: list[str]) -> list[str]:
    """The lines of a docstring as those of a document, with lists of its arguments."""
    out: list[str] = []
    inside = ""  # of a list, or of code
    for before, line, after in zip(["", *lines], lines, [*lines[1:], ""]):
        item = ITEM.match(line)
        if not line.strip():
            out.append("")
            inside = inside if inside == "code" else ""
        elif line.startswith(" ") and inside == "code":
            out.append(line)
        elif line.startswith(" ") and inside == "list":
            out.append(f"    {inline(line.strip())}")
        elif line.startswith(" ") and not before:
            out += ["::", "", line]
            inside = "code"
        elif item or after.startswith(" "):
            out += [] if inside == "list" else [""]
            out += [code(item["name"] if item else line)]
            out += [f"    {inline(item['text'])}"] if item else []
            inside = "list"
        else:
            out += [""] if inside else []
            out.append(inline(line.strip()))
            inside = ""
    return out


def titled(docstring: str) -> str:
    """A docstring whose first line is a question, as a document with that title."""
    question, _, rest = docstring.strip().partition("\n")
    title = inline(question)
    return "\n".join([title, "=" * len(title), *rst(rest.splitlines()), ""])
