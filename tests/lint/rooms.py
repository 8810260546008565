#!/usr/bin/env python3
"""Tables of rooms against their folders. The first comment of a folder's main header begins with
the folder's path and a colon, and may have a table, three blanks in:

    *   frame      the header of a frame and its checks
    *   m_auth, m_admin*   handlers; m_admin_queue: of the queue

Every other file of such a folder has a place in it, or in another header's table: its name, a
pattern, or a word of the text that cannot be meant otherwise (it has a "_", or a colon behind it).
x_priv goes with the others. Every name at the beginning of a row is a file's."""

import fnmatch
import re

import csource

ESSAY = re.compile(r"/\*\n \* ([a-z]\w*(?:/\w+)*): .*?\*/", re.S)
COMMENT = re.compile(r"\s*/\*.*?\*/", re.S)
ROW = re.compile(r"^ \*   (\s*)(\S.*)$")
MEANT = re.compile(r"[a-z]\w*_\w*|[a-z]\w*:")
TOKEN = re.compile(r"[a-z][a-z0-9_]*\*?(?:\.[ch])?")


def matching(token, stems):
    """The stems that the token names."""
    if not TOKEN.fullmatch(token):
        return set()
    return set(fnmatch.filter(stems, token.removesuffix(".c").removesuffix(".h")))


def leading(cell, stems):
    """The stems that words name at the beginning of a cell, and whether those are all of it."""
    found = set()
    for word in cell.replace(",", " ").replace(";", " ").split():
        got = matching(word, stems)
        if not got:
            return found, False
        found |= got
    return found, True


def table(comment, stems):
    """[(line, what it names, its text)]; no text where it begins with a name, or goes on."""
    out = []
    for number, line in enumerate(comment.splitlines(), 1):
        m = ROW.match(line)
        if not m:
            continue
        cells = re.split(r"\s{2,}", m.group(2))
        first, _ = leading(cells[0], stems)
        found = set(first)
        for cell in cells[1:] if not m.group(1) else cells:
            more, whole = leading(cell, stems)
            found |= more if whole else set()
        for word in MEANT.findall(m.group(2)):
            found |= matching(word.rstrip(":"), stems)
        out.append((number, found, None if m.group(1) or first else m.group(2)))
    return out


def check_folder(root, folder, paths, report):
    stems = {re.sub(r".*/(.*)\.[ch]", r"\1", p) for p in paths}
    named, where = set(), None
    for path in paths:
        text = (root / path).read_text()
        m = ESSAY.match(text)
        is_essay = bool(m and m.group(1) == folder)
        first = COMMENT.match(text) if path.endswith(".h") else None
        rows = table(first.group(0), stems) if first else []
        for number, found, row in rows:
            named |= found
            if is_essay and row and "://" not in row:
                report.add(path, number, f"no file of {folder} is called {row.split()[0]}")
        if is_essay and rows:
            where = path
            named.add(path.rpartition("/")[2].removesuffix(".h"))
    for stem in sorted(stems - named) if where else []:
        if not stem.endswith("_priv") and stem != "main":
            report.add(where, 1, f"its table lacks {stem}")


def check(root, report):
    folders = {}
    for path in csource.files(".c", ".h", root=root):
        if not path.startswith("tests/"):
            folders.setdefault(path.rpartition("/")[0], []).append(path)
    for folder, paths in sorted(folders.items()):
        check_folder(root, folder, paths, report)


if __name__ == "__main__":
    csource.main(check, "rooms")
