#include "frontend/outbound/smtp_answer.h"

#include "common/parse/cursor.h"
#include "frontend/core/line.h"

/* The words name the limits: who reads them may be the one who wrote the server. */
#define LINE_TOO_LONG "a line of the reply is longer than 2046 bytes"
_Static_assert(SMTP_ANSWER_LINE_MAX == 2046, "the words say so");
_Static_assert(SMTP_ANSWER_MAX == 16 * 1024, "the words say so");
_Static_assert(SMTP_ANSWER_LINES_MAX == 100, "the words say so");

char smtp_printable(char c)
{
	return c == '\t' ? ' ' : c >= 32 && c < 127 ? c : '?';
}

void smtp_answer_init(struct smtp_answer *a)
{
	*a = (struct smtp_answer){.text = ""};
}

static enum parse_rc bad(struct smtp_answer *a, const char *fault)
{
	a->fault = fault;
	return P_BAD;
}

/* status-code = class "." subject "." detail, then a space or the end (RFC 3463 section 2). */
static bool take_status(slice_t text, unsigned code, slice_t *status, slice_t *rest)
{
	struct cursor c = cursor(text);
	uint64_t class, n;

	if (!cur_number(&c, 5, &class) || class != code / 100 || !cur_char(&c, '.') ||
	    !cur_number(&c, 999, &n) || !cur_char(&c, '.') || !cur_number(&c, 999, &n) ||
	    c.at >= SMTP_STATUS_STR || !(cur_end(&c) || cur_is(&c, CC_WSP)))
		return false;
	*status = slice_sub(text, 0, c.at);
	cur_skip(&c, CC_WSP);
	*rest = cur_rest(&c);
	return true;
}

static void put_text(struct smtp_answer *a, slice_t text)
{
	if (a->text_n > 0 && a->text_n < SMTP_TEXT_MAX && text.n > 0)
		a->text[a->text_n++] = ' ';
	text = slice_sub(text, 0, SMTP_TEXT_MAX - a->text_n);
	for (size_t i = 0; i < text.n; i++)
		a->text[a->text_n++] = smtp_printable(text.p[i]);
	a->text[a->text_n] = '\0';
}

/* The status stands on every line of a reply: the words have it once, where it comes first. */
static void learn(struct smtp_answer *a, slice_t text)
{
	slice_t status, rest;

	if (!take_status(text, a->code, &status, &rest))
		put_text(a, text);
	else if (a->status[0] == '\0' && slice_to_str(status, a->status, sizeof a->status))
		put_text(a, text);
	else
		put_text(a, slice_eq(status, slice_str(a->status)) ? rest : text);
}

enum parse_rc smtp_answer_line(struct smtp_answer *a, slice_t line, slice_t *text_out)
{
	struct cursor c = cursor(line);
	unsigned code = 0;

	*text_out = SLICE_NONE;
	a->bytes += line.n + 2;
	if (line.n > SMTP_ANSWER_LINE_MAX)
		return bad(a, LINE_TOO_LONG);
	if (a->bytes > SMTP_ANSWER_MAX)
		return bad(a, "the reply is longer than 16 KiB");
	if (a->lines == SMTP_ANSWER_LINES_MAX)
		return bad(a, "the reply has more than 100 lines");
	if (!cur_digits(&c, 3, &code) || code < 200 || code > 599)
		return bad(a, "not a reply");
	if (a->lines > 0 && code != a->code)
		return bad(a, "the code changes within the reply");
	if (!cur_end(&c) && c.s.p[c.at] != ' ' && c.s.p[c.at] != '-')
		return bad(a, "not a reply");
	a->code = code;
	*text_out = slice_from(line, 4);
	learn(a, *text_out);
	a->lines++;
	return line.n > 3 && line.p[3] == '-' ? P_MORE : P_OK;
}

static enum err line_fault(struct smtp_answer *a, enum err e)
{
	switch (e) {
	case E_LIMIT:
	case E_TOO_BIG:
		a->fault = LINE_TOO_LONG;
		return E_INVALID;
	case E_INVALID:
		a->fault = "bare CR, bare LF or NUL in the reply";
		return E_INVALID;
	case E_OK:
	case E_RETRY:
	case E_DENIED:
	case E_NO_TICKET:
	case E_NOT_FOUND:
	case E_EXISTS:
	case E_QUOTA:
	case E_BUSY:
	case E_WRONG_OWNER:
	case E_INTERNAL:
	case E_RATE:
	case E_TIMEOUT:
	case E_CANCELLED:
	case E_CLOSED:
	case E_IO:
	case E_TLS:
	case E_CORRUPT:
	case E_FULL:
		break;
	}
	return e;
}

WAITS enum err smtp_answer_read(struct stream *s, int64_t deadline_ms, smtp_answer_fn each,
				void *arg, struct smtp_answer *a)
{
	enum parse_rc rc;

	smtp_answer_init(a);
	do {
		slice_t line, text;
		enum err e = line_read(s, SMTP_ANSWER_LINE_MAX, "smtp_client.answer", deadline_ms,
				       &line);

		if (e != E_OK)
			return line_fault(a, e);
		rc = smtp_answer_line(a, line, &text);
		if (rc != P_BAD && each != NULL)
			each(arg, a->lines - 1, text);
	} while (rc == P_MORE);
	return rc == P_OK ? E_OK : E_INVALID;
}
