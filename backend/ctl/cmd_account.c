/* Commands that set a password: where it comes from, and telling one that was drawn. */
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include "backend/ctl/commands.h"
#include "backend/ctl/connect.h"
#include "backend/ctl/run.h"
#include "backend/ctl/show.h"
#include "common/crypto/random.h"
#include "common/crypto/secret.h"
#include "proto/admin.pb-c.h"

#define PASSWORD_MAX 1024 /* of input; the back-end's policy says less */
#define RANDOM_LEN   20

/* Without those that look alike: 20 of 56 are 116 bits. */
static const char alphabet[] = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";

static char *draw(struct ctl *c)
{
	char *p = arena_alloc(&c->mem, RANDOM_LEN + 1);

	for (size_t i = 0; i < RANDOM_LEN; i++)
		p[i] = alphabet[random_below(sizeof alphabet - 1)];
	return p;
}

/* The first line; a password has no line breaks. One with a NUL would be cut short there, and be
 * another than the one that was meant. */
static int first_line(struct ctl *c, slice_t text, char **out)
{
	size_t n = slice_find_char(text, '\n');
	slice_t line;

	if (n > 0 && n <= text.n && text.p[n - 1] == '\r')
		n--;
	line = slice_sub(text, 0, n);
	if (slice_find_char(line, '\0') != line.n)
		return ctl_fail(c, EX_DATAERR, "a password holds no NUL");
	*out = arena_str(&c->mem, line);
	return EX_OK;
}

static int from_file(struct ctl *c, const char *path, char **out)
{
	struct diag d = {""};
	slice_t text;

	if (ctl_read_file(c, path, PASSWORD_MAX, &text, &d) != E_OK)
		return ctl_fail(c, EX_NOINPUT, "%s", d.text);
	return first_line(c, text, out);
}

/* ---- the terminal ---- */

static struct termios terminal; /* as it was found */

static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

/* Who gives up at the question gets the echo back. */
static void restore_terminal(int sig)
{
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal);
	signal(sig, SIG_DFL);
	raise(sig);
}

static void hide_typing(void)
{
	struct termios quiet = terminal;

	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		signal(ends[i], restore_terminal);
	/* Stopped here, the shell would have no echo, and the second answer would. */
	signal(SIGTSTP, SIG_IGN);
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
}

static void show_typing(void)
{
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		signal(ends[i], SIG_DFL);
	signal(SIGTSTP, SIG_DFL);
}

static bool ask_line(struct ctl *c, const char *prompt, char line[PASSWORD_MAX])
{
	fputs(prompt, c->err);
	fflush(c->err);
	if (fgets(line, PASSWORD_MAX, stdin) == NULL)
		return false;
	fputc('\n', c->err);
	return true;
}

/* Twice, without echo. */
static int from_terminal(struct ctl *c, char **out)
{
	char one[PASSWORD_MAX], two[PASSWORD_MAX];
	int status = EX_OK;
	bool ok;

	if (tcgetattr(STDIN_FILENO, &terminal) != 0)
		return ctl_fail(c, EX_USAGE,
				"no password: give --password-stdin, --password-file FILE, "
				"--random or --password PASSWORD");
	hide_typing();
	ok = ask_line(c, "Password: ", one) && ask_line(c, "Again: ", two);
	show_typing();
	if (!ok)
		status = ctl_fail(c, EX_NOINPUT, "no password");
	else if (!secret_eq(slice_str(one), slice_str(two)))
		status = ctl_fail(c, EX_DATAERR, "these are not the same");
	else
		status = first_line(c, slice_str(one), out);
	secret_wipe(two, sizeof two);
	secret_wipe(one, sizeof one);
	return status;
}

int account_password_prepare(struct ctl *c, const struct ctl_args *a, bool *done UNUSED)
{
	const char *given = ctl_args_get(a, "--password");
	const char *file = ctl_args_get(a, "--password-file");
	bool from_stdin = ctl_args_get(a, "--password-stdin") != NULL;
	bool random = ctl_args_get(a, "--random") != NULL;
	bool none = ctl_args_get(a, "--no-password") != NULL;
	char *password = NULL;
	int status = EX_OK;

	if ((given != NULL) + (file != NULL) + from_stdin + random + none > 1)
		return ctl_fail(c, EX_USAGE, "only one way to give a password");
	if (given != NULL)
		password = arena_str(&c->mem, slice_str(given));
	else if (file != NULL)
		status = from_file(c, file, &password);
	else if (from_stdin)
		status = from_file(c, "-", &password);
	else if (random)
		password = draw(c);
	else if (!none)
		status = from_terminal(c, &password);
	if (status == EX_OK && password != NULL && password[0] == '\0')
		return ctl_fail(c, EX_DATAERR, "the password is empty");
	c->prepared = password;
	return status;
}

/* What the administrator does not know yet: of a new account its id, of a drawn password the
 * password. */
static void tell(struct ctl *c, const struct ctl_args *a, const Postern__AdminAccountAdded *added,
		 const char *password)
{
	bool random = ctl_args_get(a, "--random") != NULL;

	if (!c->json) {
		if (random)
			fprintf(c->out, "%s\n", password);
		return;
	}
	fputs("{\"address\": ", c->out);
	show_json_string(c->out, slice_str(ctl_args_get(a, "ADDRESS")));
	if (added != NULL)
		fprintf(c->out, ", \"id\": %llu", (unsigned long long)added->id);
	if (random) {
		fputs(", \"password\": ", c->out);
		show_json_string(c->out, slice_str(password));
	}
	fputs("}\n", c->out);
}

WAITS int account_add_run(struct ctl *c, const struct ctl_args *a)
{
	Postern__AdminAccountAdd m = POSTERN__ADMIN_ACCOUNT_ADD__INIT;
	struct ctl_call call = {
		.method = a->command->method,
		.request = &m.base,
		.answer = &postern__admin_account_added__descriptor,
		.mem = &c->mem,
	};
	int status = ctl_args_fill(c, a, &m.base);

	if (status != EX_OK)
		return status;
	if (c->prepared != NULL)
		m.password = c->prepared;
	status = ctl_call(c, &call);
	if (status == EX_OK && call.result != E_OK)
		return ctl_fail_err(c, call.result, &call.diag);
	if (status == EX_OK)
		tell(c, a, (const void *)call.reply, m.password);
	return status;
}

WAITS int account_passwd_run(struct ctl *c, const struct ctl_args *a)
{
	Postern__AdminAccountPassword m = POSTERN__ADMIN_ACCOUNT_PASSWORD__INIT;
	struct ctl_call call = {.method = a->command->method, .request = &m.base, .mem = &c->mem};
	int status = ctl_args_fill(c, a, &m.base);

	if (status != EX_OK)
		return status;
	m.password = c->prepared;
	status = ctl_call(c, &call);
	if (status == EX_OK && call.result != E_OK)
		return ctl_fail_err(c, call.result, &call.diag);
	if (status == EX_OK)
		tell(c, a, NULL, m.password);
	return status;
}

/* ---- list ---- */

/* The most first, what is not known last; then by address. */
static int by_number(const Postern__AdminAccount *a, bool has_a, uint64_t x,
		     const Postern__AdminAccount *b, bool has_b, uint64_t y)
{
	if (has_a != has_b)
		return has_a ? -1 : 1;
	if (has_a && x != y)
		return x > y ? -1 : 1;
	return strcmp(a->address, b->address);
}

static int by_size(const void *x, const void *y)
{
	const Postern__AdminAccount *a = *(Postern__AdminAccount *const *)x;
	const Postern__AdminAccount *b = *(Postern__AdminAccount *const *)y;

	return by_number(a, a->has_size_bytes, a->size_bytes, b, b->has_size_bytes, b->size_bytes);
}

static int by_items(const void *x, const void *y)
{
	const Postern__AdminAccount *a = *(Postern__AdminAccount *const *)x;
	const Postern__AdminAccount *b = *(Postern__AdminAccount *const *)y;

	return by_number(a, a->has_items, a->items, b, b->has_items, b->items);
}

static int by_last_login(const void *x, const void *y)
{
	const Postern__AdminAccount *a = *(Postern__AdminAccount *const *)x;
	const Postern__AdminAccount *b = *(Postern__AdminAccount *const *)y;

	return by_number(a, a->last_login_us > 0, (uint64_t)a->last_login_us, b,
			 b->last_login_us > 0, (uint64_t)b->last_login_us);
}

static const struct {
	const char *key;
	int (*order)(const void *, const void *); /* NULL: as they come */
} sorts[] = {{"name", NULL}, {"size", by_size}, {"items", by_items}, {"last-login", by_last_login}};

static size_t find_sort(const struct ctl_args *a)
{
	const char *key = ctl_args_get(a, "--sort");
	size_t i = 0;

	while (key != NULL && i < ARRAY_LEN(sorts) && strcmp(key, sorts[i].key) != 0)
		i++;
	return i;
}

int account_list_prepare(struct ctl *c, const struct ctl_args *a, bool *done UNUSED)
{
	return find_sort(a) < ARRAY_LEN(sorts)
		       ? EX_OK
		       : ctl_fail(c, EX_USAGE, "--sort: name, size, items or last-login");
}

WAITS int account_list_run(struct ctl *c, const struct ctl_args *a)
{
	Postern__AdminAccountList m = POSTERN__ADMIN_ACCOUNT_LIST__INIT;
	int (*order)(const void *, const void *) = sorts[find_sort(a)].order;
	int status = ctl_args_fill(c, a, &m.base);

	if (status != EX_OK)
		return status;
	return order != NULL ? ctl_run_sorted(c, a, &m.base, order)
			     : ctl_run_request(c, a, &m.base, NULL, NULL);
}
