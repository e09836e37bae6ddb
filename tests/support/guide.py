"""A guide as what it tells its reader to type: the commands of its bash blocks, in order."""
import collections

Block = collections.namedtuple("Block", "section language lines")
# `text` is a line, or a whole script; `answers` are what is typed at the program's own prompt.
Command = collections.namedtuple("Command", "block text answers")


def blocks(markdown, language):
    """Those between fences that name the language."""
    found, section, inside = [], "", None
    for line in markdown.splitlines():
        if line.startswith("```") and inside is None:
            inside = Block(section, line.strip("`"), [])
        elif line.startswith("```"):
            found.append(inside)
            inside = None
        elif inside is not None:
            inside.lines.append(line)
        elif line.startswith("#"):
            section = line.strip("# ")
    return [block for block in found if block.language == language]


def commands(markdown):
    """Comments are none, but for those with dots, which tell the reader what to do meanwhile: "# ... wait ..."."""
    found = []
    for block in blocks(markdown, "bash"):
        if block.lines[0].startswith("#!"):
            found.append(Command(block, "\n".join(block.lines) + "\n", []))
            continue
        for line in block.lines:
            if line.startswith("(pprof) "):
                found[-1].answers.append(line.removeprefix("(pprof) "))
            elif line and (not line.startswith("#") or line.startswith("# ...")):
                found.append(Command(block, line, []))
    return found
