"""Weaves many mutants into one source text: each function that is mutated has its body once for each
mutant and once unchanged, and one of them is selected at run time. Knows text, not cargo."""

import bisect
from dataclasses import dataclass

# The module of the crate that selects the mutant.
SWITCH = """
pub(crate) mod mutant_switch {
    static WANTED: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    pub(crate) fn is_on(number: usize) -> bool {
        let told = || std::env::var("WANTED_MUTANT").ok()?.parse().ok();
        *WANTED.get_or_init(|| told().unwrap_or(usize::MAX)) == number
    }
}
"""
VARIABLE = "WANTED_MUTANT"


@dataclass
class Region:
    """A range of the woven text that belongs to a mutant, in bytes. `is_own` is false for a range
    shared with the other mutants of its function."""
    number: int
    begin: int
    end: int
    is_own: bool


class Text:
    """A source text addressed by line and column, both from 1."""

    def __init__(self, text):
        self.text = text
        self.lines = [0]
        for at, char in enumerate(text):
            if char == "\n":
                self.lines.append(at + 1)

    def at(self, place):
        return self.lines[place["line"] - 1] + place["column"] - 1

    def span(self, span):
        return self.at(span["start"]), self.at(span["end"])

    def line(self, at):
        return bisect.bisect(self.lines, at)


def mutated(text, mutant):
    """The whole text with one mutant applied."""
    begin, end = Text(text).span(mutant["span"])
    return text[:begin] + replacement(text, begin, end, mutant) + text[end:]


def replacement(text, begin, end, mutant):
    """The text of the mutant. That of a function replaces the statements, and may include the
    braces or not."""
    new = mutant["replacement"]
    if mutant["genre"] == "FnValue" and text[begin] == "{" and text[end - 1] == "}":
        return "{ " + new + " }"
    return new


def weave(text, mutants):
    """Returns the woven text, the regions of the mutants in it, and the numbers of those that could
    not be woven in. `mutants` is pairs of a number and a mutant."""
    source, code = Text(text), code_of(text)
    functions, left_out = {}, []
    for number, mutant in mutants:
        body = body_of(code, source, mutant)
        begin, end = source.span(mutant["span"])
        fits = body and body[0] <= begin and end <= body[1]
        nests = fits and any(body[0] < other[1] and other[0] < body[1] and body != other
                             for other in functions)
        if not fits or nests:
            left_out.append(number)
        else:
            functions.setdefault(body, []).append((number, mutant))
    out, length, done, regions = [], 0, 0, []

    def put(piece):
        nonlocal length
        out.append(piece)
        length += len(piece.encode())

    for (begin, end), members in sorted(functions.items()):
        put(text[done:begin])
        whole = length
        put("{ ")
        for number, mutant in members:
            put(f"if crate::mutant_switch::is_on({number}) ")
            at = length
            first, last = source.span(mutant["span"])
            put(text[begin:first] + replacement(text, first, last, mutant) + text[last:end])
            regions.append(Region(number, at, length, True))
            put(" else ")
        put(text[begin:end] + " }")
        regions += [Region(number, whole, length, False) for number, _ in members]
        done = end
    put(text[done:])
    return "".join(out), regions, left_out


def body_of(code, source, mutant):
    """The range of the body of the mutant's function, including its braces."""
    if not mutant.get("function"):
        return None
    begin, end = source.span(mutant["function"]["span"])
    opened, last = [], None
    for at in range(begin, end):
        if code[at] == "{":
            opened.append(at)
        elif code[at] == "}" and opened:
            last = opened.pop(), at + 1
    return last if not opened else None


def code_of(text):
    """The text with comments, strings and characters blanked out, so that all braces are code."""
    out, at = list(text), 0

    def blank(end):
        nonlocal at
        for place in range(at, min(end, len(text))):
            if out[place] != "\n":
                out[place] = " "
        at = end

    while at < len(text):
        if text.startswith("//", at):
            blank(end_of(text, "\n", at))
        elif text.startswith("/*", at):
            depth, end = 1, at + 2
            while depth and end < len(text):
                step = {"/*": 1, "*/": -1}.get(text[end:end + 2], 0)
                depth, end = depth + step, end + (2 if step else 1)
            blank(end)
        elif text[at] == "r" and text[at + 1:].lstrip("#").startswith('"') and not is_word(text, at):
            hashes = len(text[at + 1:]) - len(text[at + 1:].lstrip("#"))
            blank(end_of(text, '"' + "#" * hashes, at + hashes + 2))
        elif text[at] == '"':
            blank(end_of_literal(text, at))
        elif text[at] == "'" and (text[at + 1] == "\\" or text[at + 2:at + 3] == "'"):
            blank(end_of_literal(text, at))
        else:
            at += 1
    return "".join(out)


def is_word(text, at):
    """Returns True if the character before is of the same word. `b` and `c` may begin a literal."""
    before = text[max(0, at - 2):at]
    return before[-1:].isalnum() and not (before[-1:] in "bc" and not before[:-1].isalnum())


def end_of(text, mark, at):
    found = text.find(mark, at)
    return len(text) if found < 0 else found + len(mark)


def end_of_literal(text, at):
    quote, end = text[at], at + 1
    while end < len(text) and text[end] != quote:
        end += 2 if text[end] == "\\" else 1
    return end + 1
