"""What the lint programs share: the project's C files, blanked of comments and strings (line
numbers kept), and their functions."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TREES = ("common", "frontend", "backend", "proto", "tests")


def files(*suffixes, root=ROOT, trees=TREES):
    """Paths relative to the root, of files below the trees; untracked ones too."""
    out = []
    for tree in trees:
        for p in sorted((root / tree).rglob("*")):
            if p.suffix in suffixes and p.is_file():
                out.append(p.relative_to(root).as_posix())
    return out


TOKEN = re.compile(
    r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])+'", re.S)


def blank(text, strings=True):
    """The text with comments, and the insides of strings, turned to spaces."""
    def gone(m):
        t = m.group(0)
        if t[0] in "\"'":
            if not strings:
                return t
            return t[0] + re.sub(r"[^\n]", " ", t[1:-1]) + t[-1]
        return re.sub(r"[^\n]", " ", t)
    return TOKEN.sub(gone, text)


def blank_preprocessor(code):
    """Preprocessor lines, with their continuations, turned to spaces."""
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m.group(0)),
                  code, flags=re.M)


class Function:
    def __init__(self, name, head, body, line, lines, depth):
        self.name = name    # of the function; for a macro such as TEST(x), "TEST"
        self.head = head    # everything before the "{"
        self.body = body    # blanked text between the braces
        self.line = line    # of the head's first line
        self.lines = lines  # head and body
        self.depth = depth  # deepest block in the body; a block right in it counts 1


def functions(code):
    """The function definitions of blanked code (see blank, blank_preprocessor)."""
    out = []
    depth = 0
    start = 0       # where the current top-level thing began
    open_at = None
    deepest = 0
    for m in re.finditer(r"[{};]", code):
        c = m.group(0)
        if c == "{":
            if depth == 0:
                open_at = m.start()
                deepest = 0
            depth += 1
            deepest = max(deepest, depth - 1)
        elif c == "}":
            depth = max(0, depth - 1)
            if depth == 0 and open_at is not None:
                head = code[start:open_at]
                f = re.search(r"(\w+)\s*\((?:[^()]|\([^()]*\))*\)\s*$", head)
                if f and "=" not in head:
                    lead = len(head) - len(head.lstrip())
                    line = code.count("\n", 0, start + lead) + 1
                    lines = code.count("\n", start + lead, m.start()) + 1
                    out.append(Function(f.group(1), head.strip(), code[open_at + 1:m.start()],
                                        line, lines, deepest))
                    start = m.end()
                open_at = None
                if not f:
                    continue
                start = m.end()
        elif depth == 0:
            start = m.end()
    return out


class Report:
    def __init__(self, what):
        self.what = what
        self.found = []

    def add(self, path, line, text):
        self.found.append((path, line, text))

    def end(self):
        """Prints what was found; the exit status."""
        for path, line, text in sorted(set(self.found)):
            print(f"{path}:{line}: {text}")
        print(f"{self.what}: {len(set(self.found))} found" if self.found else f"{self.what}: clean")
        return 1 if self.found else 0


def tracked(root=ROOT):
    """Every file of the repository that git knows, or would add."""
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=root,
                         capture_output=True, text=True, check=False)
    if out.returncode != 0:
        return [p.relative_to(root).as_posix() for p in root.rglob("*")
                if p.is_file() and ".git" not in p.parts]
    return [p for p in out.stdout.splitlines() if (root / p).is_file()]


def main(check, what):
    """Runs check(root, report) over the tree named on the command line, or this one."""
    root = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT
    report = Report(what)
    check(root, report)
    sys.exit(report.end())
