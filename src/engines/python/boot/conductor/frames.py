"""The lines around a place in the program, with a marker under it, as the TypeScript engine draws them."""

#: Lines shown before and after the one in question.
CONTEXT = 2

#: Longest line shown, in characters. A minified program has one line.
MAX_LINE = 120


def code_frame(source: str, line: int, column: int) -> str | None:
    """The code around a place, both from 1 and in characters; None if the source has no such line."""
    lines = [text.rstrip("\r") for text in source.split("\n")]
    if not 1 <= line <= len(lines):
        return None
    count = len(lines) - (len(lines) > 1 and not lines[-1])
    first, last = max(line - CONTEXT, 1), min(line + CONTEXT, max(count, line))
    marker = min(max(column, 1) - 1, len(lines[line - 1]))
    begin = max(marker - MAX_LINE * 2 // 3, 0)
    width = len(str(last))
    drawn = []
    for number in range(first, last + 1):
        text = lines[number - 1]
        sign = ">" if number == line else " "
        drawn.append(f"{sign} {number:>{width}} | {text[begin : begin + MAX_LINE]}".rstrip())
        if number == line:
            blank = "".join("\t" if c == "\t" else " " for c in text[begin:marker])
            drawn.append(f"  {'':>{width}} | {blank}^")
    return "\n".join(drawn)
