#include <getopt.h>
#include <stdarg.h>

#include "common/parse/cclass.h"
#include "frontend/outbound/smtp_msg.h"
#include "frontend/sendmail/sendmail.h"

/* What sendmail and those that stand in for it have taken over the years. A letter with an argument
 * takes it whether it means something here or not: else the next word would be a recipient. */
static const char letters[] = "+A:B:C:D:F:GIL:N:O:R:UV:X:b:cd::e:f:h:imno:p:q::r:stv";

int sm_fail(int status, const char *fmt, ...)
{
	va_list ap;

	fputs("sendmail: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return status;
}

static enum sm_mode by_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	slice_t name = slice_str(slash != NULL ? slash + 1 : path);

	if (slice_eq(name, SL("mailq")))
		return SM_MAILQ;
	return slice_eq(name, SL("newaliases")) ? SM_NEWALIASES : SM_SEND;
}

static void set_mode(struct sm_args *a, char letter)
{
	switch (letter) {
	case 'm':
		a->mode = SM_SEND;
		break;
	case 'p':
		a->mode = SM_MAILQ;
		break;
	case 'i':
		a->mode = SM_NEWALIASES;
		break;
	default:
		a->mode = SM_UNSUPPORTED;
		a->unsupported = letter;
		break;
	}
}

/* "never", or of "success", "failure" and "delay" some, with commas (RFC 3461 section 4.1). */
static int set_notify(struct sm_args *a, const char *text)
{
	static const struct {
		slice_t word;
		uint32_t bit;
	} words[] = {
		{{"success", 7}, NOTIFY_SUCCESS},
		{{"failure", 7}, NOTIFY_FAILURE},
		{{"delay", 5}, NOTIFY_DELAY},
		{{"never", 5}, NOTIFY_NEVER},
	};
	slice_t rest = slice_str(text);

	a->notify = 0;
	while (rest.n != 0) {
		slice_t word = slice_sub(rest, 0, slice_find_char(rest, ','));
		size_t i = 0;

		while (i < ARRAY_LEN(words) && !slice_ieq(word, words[i].word))
			i++;
		if (i == ARRAY_LEN(words))
			return sm_fail(EX_USAGE, "-N %s: success, failure, delay or never", text);
		a->notify |= words[i].bit;
		rest = slice_from(rest, word.n + 1);
	}
	if ((a->notify & NOTIFY_NEVER) != 0 && a->notify != NOTIFY_NEVER)
		return sm_fail(EX_USAGE, "-N %s: never stands alone", text);
	return EX_OK;
}

static int set_ret(struct sm_args *a, const char *text)
{
	slice_t word = slice_str(text);

	if (slice_ieq(word, SL("full")))
		a->ret = RET_FULL;
	else if (slice_ieq(word, SL("hdrs")))
		a->ret = RET_HDRS;
	else
		return sm_fail(EX_USAGE, "-R %s: full or hdrs", text);
	return EX_OK;
}

/* What could not be passed on is told, not left out in silence. */
static int set_envid(struct sm_args *a, const char *text)
{
	size_t n = 0; /* in xtext */

	for (const char *p = text; *p != '\0'; p++)
		n += cclass(*p, CC_XCHAR) ? 1 : 3;
	if (n > SMTP_ENVID_SENT_MAX)
		return sm_fail(EX_USAGE, "-V: at most %d characters", SMTP_ENVID_SENT_MAX);
	a->envid = text;
	return EX_OK;
}

static int set_option(struct sm_args *a, int letter)
{
	switch (letter) {
	case 't':
		a->from_header = true;
		break;
	case 'i':
		a->no_dots = true;
		break;
	case 'o': /* the options of one letter: all but "i" are the server's to decide */
		a->no_dots = a->no_dots || slice_eq(slice_str(optarg), SL("i"));
		break;
	case 'f':
	case 'r':
		a->sender = optarg;
		break;
	case 'F':
		a->full_name = optarg;
		break;
	case 'b':
		set_mode(a, optarg[0]);
		break;
	case 'I':
		a->mode = SM_NEWALIASES;
		break;
	case 'q':
		a->mode = SM_FLUSH;
		break;
	case 'v':
		a->verbose = true;
		break;
	case 'N':
		return set_notify(a, optarg);
	case 'R':
		return set_ret(a, optarg);
	case 'V':
		return set_envid(a, optarg);
	case '?':
		return EX_USAGE; /* getopt has said it */
	default:
		break;
	}
	return EX_OK;
}

int sm_args_parse(int argc, char **argv, struct sm_args *out)
{
	int letter, status = EX_OK;

	*out = (struct sm_args){.mode = by_name(argv[0])};
	optind = 0; /* from the beginning, whoever has called it before */
	while (status == EX_OK && (letter = getopt(argc, argv, letters)) != -1)
		status = set_option(out, letter);
	out->rcpts = argv + optind;
	out->nrcpts = (size_t)(argc - optind);
	return status;
}
