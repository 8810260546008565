#!/usr/bin/env python3
"""The lint programs on small trees of which each breaks one rule: every rule must be found out,
and the clean tree must pass. Ends with `N passed, N failed`."""

import pathlib
import sys
import tempfile

import csource
import errors
import layers
import limits
import man
import rooms
import style
import waits

LAYERS = """
[order common]
base net/low.*
net
[order frontend]
core
rpc
.
[uses frontend]
common
[library uv.h]
common/net/*
"""
HEADER = "/* {0}: what it promises. */\n#ifndef {1}\n#define {1}\n{2}\n#endif\n"


def header(path, body=""):
    return HEADER.format(path, path.upper().replace("/", "_").replace(".", "_"), body)


LONG = "".join(f"\tx += {i};\n" for i in range(80))
CLEAN = {
    "docs/layers.txt": LAYERS,
    "common/base/a.h": header("common/base/a.h", "int a(int x);"),
    "common/net/n.h": header("common/net/n.h", "WAITS int n_read(int x);\n"
                             "struct n_ops { WAITS int (*serve)(int x); int (*plain)(int x); };"),
    "common/net/n.c": '#include "common/net/n.h"\n#include "common/base/a.h"\n#include <uv.h>\n'
                      "WAITS static int twice(int x)\n{\n\treturn n_read(x) + n_read(x);\n}\n\n"
                      "WAITS int n_read(int x)\n{\n\treturn a(x) + twice(x);\n}\n",
    "frontend/core/c.c": '#include "common/net/n.h"\n'
                         "int c(struct n_ops *o)\n{\n\t/* n_read() and atoi() in a comment */\n"
                         '\treturn o->plain(sizeof "strcpy(");\n}\n',
}

# What single programs need besides.
ROW = "| things | {} | `THINGS_MAX` | why | {} |\n"
TABLE = """static const struct conf_def table[] = {{
\t{{"data", CONF_STRING, NULL, 1, 63, CONF_REQUIRED, "Where", NULL}},
\t{{"wait", CONF_DURATION, "5m", 1000, 2 * HOUR, CONF_LIVE,
\t "How long", NULL}},{}
}};
"""
OWN = """| 250 2.0.0 | OK |
| LIMIT | NO [LIMIT] | Over a limit |
## SMTP to other hosts: results
| 4.4.1, {} | no connection |
## Another
| 5.9.9 | elsewhere |
"""
ROOM = """ * common/base: what all stand on.
 *
 *   b*   words of which c is none   d.c
 *   c    what else; c_two: more
 *        of it
 *
 * More.
"""
PAGE = ".It Ic data Pq Ar string , required\nWhere.\n.It Ic wait Pq Ar duration , default Li {}\n"
MORE = {
    errors: {"frontend/smtp/smtp_reply.c": '[SAY_OK] = {250, 0, "2.0.0", "OK"},\n',
             "frontend/imap/imap_resp.c": '{E_LIMIT, IMAP_RC_NO, "LIMIT", "Over a limit"},\n',
             "frontend/outbound/a.c": 'say(x, "4.4.1", "250 2.0.0"); /* "5.1.1" */\n',
             "backend/queue/b.h": 'say(SL("5.7.0"));\n',
             "docs/errors.md": OWN.format("5.7.0")},
    limits: {"common/base/a.c": "#define THINGS_MAX (2 * 1024u) /* why */\n",
             "tests/unit/common/base/a_test.c": "",
             "docs/limits.md": ROW.format("2 KiB", "a_test")},
    rooms: {"common/base/a.h": "/*\n" + ROOM + " */\n", "common/base/b_one.c": "", "common/base/c.c": "",
            "common/base/c_two.c": "", "common/base/d.c": "", "common/base/a_priv.h": ""},
    man: {"frontend/fe_conf.c": TABLE.format(""),
          "backend/be_conf.c": "#define LIMITS(svc, n) \\\n\t{svc \".max\", CONF_INT, n, 1, 9, CONF_LIVE"
                               ", \"Most\", NULL}, \\\n\t{svc \".per_ip\", CONF_INT, n, 1, 9, 0, \"\", "
                               "NULL}, \\\n\t{svc \".rate\", CONF_INT, n, 1, 9, 0, \"\", NULL}\n"
                               "static const struct conf_def table[] = {\n"
                               '\tLIMITS("smtp", "1", "2", "3"),\n};\n',
          "proto/settings.c": "",
          "frontend/sendmail/sm_conf.c": "",
          "docs/man/postern-sendmail.conf.5": "",
          "docs/man/postern-frontend.conf.5": PAGE.format("5m"),
          "docs/man/postern-backend.conf.5":
              ".It Ic smtp.max Pq Ar number , default Li 1\n"
              ".It Ic smtp.per_ip Pq Ar number , default Li 2\n"
              ".It Ic smtp.rate Pq Ar number , default Li 3\n"},
}

# (program, file to add or change, its text, part of what must be found)
CASES = [
    (layers, "common/base/b.c", '#include "common/net/n.h"\n', "which is not below it"),
    (layers, "common/net/low.c", '#include "common/net/n.h"\n', "which is not below it"),
    (layers, "common/net/low.h", header("common/net/low.h"), None),
    (layers, "common/net/o.c", '#include "frontend/core/x.h"\n', "not a path from the root"),
    (layers, "common/net/o.c", '#include "frontend/core/c.c"\n', "common may not include"),
    (layers, "frontend/core/d.c", "#include <uv.h>\n", "uv.h belongs in"),
    (layers, "frontend/other/d.c", '#include "common/base/a.h"\n', "stands in no level"),
    (layers, "frontend/core/e_priv.h", header("frontend/core/e_priv.h"), None),
    (layers, "common/base/a.h", header("common/base/a.h", '#include "common/base/b.h"'),
     "not a path"),
    (layers, "common/base/a.h", header("common/base/a.h", '#include "common/base/a.h"'),
     "include cycle"),
    (style, "common/base/b.c", "int b(const char *s)\n{\n\treturn atoi(s);\n}\n", "use num_parse"),
    (style, "common/base/b.c", "void b(char *p)\n{\n\tstrcpy(p, p);\n\tfree(p);\n}\n", "strcpy"),
    (style, "common/base/b.c", "long b(void)\n{\n\treturn time(0);\n}\n", "one door"),
    (style, "common/base/b.c", "void b(void)\n{\n\tusleep(1);\n}\n", "wait for an event"),
    (style, "common/base/b.c", "int b(struct x *x)\n{\n\treturn x->time(1);\n}\n", None),
    (style, "common/base/b.c", "int b(int x)\n{\n" + LONG + "\treturn x;\n}\n", "has 84 lines"),
    (style, "common/base/b.c", "int b(int x)\n{\n\t/* lint: long because it is a table */\n" +
     LONG + "\treturn x;\n}\n", None),
    (style, "common/base/b.c", "int x;\n" * 1001, "the file has 1001 lines"),
    (style, "common/base/b.c", "/* " + "x" * 94 + " */\n", None),
    (style, "common/base/b.c", "/* " + "x" * 95 + " */\n", "has 101 columns"),
    (style, "common/base/b.c", "\t/* " + "\u00e4" * 86 + " */\n", None),
    (style, "common/base/b.c", "\t/* " + "x" * 87 + " */\n", "has 101 columns"),
    (style, "common/base/b.c", "void b(int x)\n{\n" + "if (x) {\n" * 5 + "}\n" * 5 + "}\n",
     "nests 5"),
    (style, "common/base/b.h", "#ifndef COMMON_BASE_B_H\n#define COMMON_BASE_B_H\n#endif\n",
     "starts with a comment"),
    (style, "common/base/b.h", header("common/base/c.h"), "include guard"),
    (style, "common/base/b.c", "/* TODO: later */\n", "forbidden"),
    (style, "docs/x.md", "FIXME\n", "forbidden"),
    (style, "docs/x.md", "(DESIGN 7.1)\n", "forbidden"),
    (style, "docs/x.md", "(FEATURES F16)\n", "forbidden"),
    (style, "docs/x.md", "as law 2 says\n", "forbidden"),
    (style, "docs/x.md", "A law says 2 things about DESIGNS.\n", None),
    (style, "common/crypto/b.c",
     "int b(char *k)\n{\n\treturn memcmp(k, my_key, 32);\n}\n", "use secret_eq"),
    (waits, "frontend/core/d.c", "int d(int x)\n{\n\treturn n_read(x);\n}\n", "d calls n_read"),
    (waits, "frontend/core/d.c", "WAITS int d(int x)\n{\n\treturn n_read(x);\n}\n", None),
    (waits, "frontend/core/d.c", "int d(struct n_ops *o)\n{\n\treturn o->serve(1);\n}\n",
     "d calls serve"),
    (waits, "frontend/core/d.c", "int n_read(int x)\n{\n\treturn x;\n}\n",
     "mark its definition too"),
    (waits, "frontend/core/d.c", "typedef WAITS int (*fn)(int);\nstruct d { fn *run; };\n"
     "int d(struct d *d)\n{\n\treturn d->run(1);\n}\n", "d calls run"),
    (waits, "frontend/core/d.c", "TEST_FIBER(d)\n{\n\tn_read(1);\n}\n", None),
    (waits, "frontend/core/d.c", "static int twice(int x)\n{\n\treturn x;\n}\n"
     "int d(int x)\n{\n\treturn twice(x);\n}\n", None),
    (limits, "common/base/a.c", "#define THINGS_MAX 2049\n", "is 2049"),
    (limits, "common/base/a.c", "#define THING_MAX 2048\n", "THINGS_MAX is not in the sources"),
    (limits, "common/base/b.c", "#define OTHERS_MAX 5\n", "OTHERS_MAX is missing"),
    (limits, "docs/limits.md", ROW.format("2,048", "b_test"), "no test b_test"),
    (limits, "docs/limits.md", ROW.format("2,048", ""), "without a test"),
    (errors, "frontend/smtp/smtp_reply.c", '[SAY_OK] = {250, 0, "2.0.0", "Well"},\n', "Well is missing"),
    (errors, "frontend/outbound/c.c", 'say("5.1.1");\n', "no row for our own 5.1.1"),
    (errors, "frontend/outbound/c.c", 'say("5.9.9");\n', "no row for our own 5.9.9"),
    (errors, "docs/errors.md", OWN.format("5.7.0, 5.7.30"), "nobody says 5.7.30"),
    (man, "frontend/fe_conf.c", TABLE.format('\n\t{"more", CONF_INT, "1", 0, 9, 0, "x", NULL},'),
     "more is missing"),
    (man, "docs/man/postern-frontend.conf.5", PAGE.format("6m"), "'5m'"),
    (man, "docs/man/postern-frontend.conf.5", PAGE.format("5m") + ".It Ic other Pq Ar string\n",
     "no setting other"),
    (rooms, "common/base/e.c", "", "its table lacks e"),
    (rooms, "common/base/b.h", header("common/base/b.h"), None),
    (rooms, "common/base/a.h", "/*\n" + ROOM.replace("*   c  ", "*   e  ") + " */\n", "is called e"),
    (rooms, "common/base/a.h", "/*\n" + ROOM.replace("c_two: more", "more") + " */\n", "lacks c_two"),
    (rooms, "common/base/a.h", "/*\n" + ROOM.replace("   d.c", "") + " */\n", "lacks d"),
    (rooms, "common/base/a.h", "/*\n * common/base: without a table.\n */\n", None),
]


def run(program, extra):
    with tempfile.TemporaryDirectory() as d:
        root = pathlib.Path(d)
        for path, text in {**CLEAN, **MORE.get(program, {}), **extra}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        report = csource.Report("selftest")
        program.check(root, report)
        return [f"{p}:{n}: {t}" for p, n, t in report.found]


def main():
    passed = failed = 0
    for program, path, text, want in [(p, "docs/none.md", "", None) for p in
                                      (errors, layers, style, waits, limits, man, rooms)] + CASES:
        found = run(program, {path: text})
        ok = not found if want is None else any(want in f for f in found)
        if ok:
            passed += 1
        else:
            failed += 1
            print(f"FAIL {program.__name__} {path}: wanted {want!r}, found {found}\n{text}")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
