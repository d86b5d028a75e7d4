"""MathML of formulas: a script that reads LaTeX from its input and writes what browsers show of it. The only
user of math_core.

It runs in a process of its own, because anybody may have written a formula: one with a thousand open braces
breaks the converter, and one with thirty open brackets keeps it busy for a minute.
"""

import json
import sys

from math_core import LatexError, LatexToMathML

# Without commands that the formula itself defines: a few of them make ten million characters.
_CONVERTER = LatexToMathML(max_expansions=0, fancy_error=False)


def main() -> None:
    """Reads a list of formulas, each with whether it stands on its own, and writes a line for each: its
    MathML as JSON, "" for what cannot be converted."""
    for latex, is_display in json.load(sys.stdin):
        try:
            found = _CONVERTER.convert_with_local_state(latex, displaystyle=is_display)
        except LatexError:
            found = ""
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()  # what was converted before the process breaks is there


if __name__ == "__main__":
    main()
