#include "backend/ctl/args.h"

#include "common/base/num.h"

/* ---- options of the program itself ---- */

static const struct global {
	const char *name;
	size_t offset;
} globals[] = {
	{"--cluster", offsetof(struct ctl, target.cluster)},
	{"--address", offsetof(struct ctl, target.address)},
	{"--cert", offsetof(struct ctl, target.cert)},
	{"--key", offsetof(struct ctl, target.key)},
	{"--ca", offsetof(struct ctl, target.ca)},
};

/* argv[*i] is `name VALUE` or `name=VALUE`: the value, and *i on its last word. */
static bool match_option(const char *name, char *const *argv, int argc, int *i, const char **value)
{
	slice_t word = slice_str(argv[*i]), want = slice_str(name);

	if (!slice_starts(word, want))
		return false;
	if (word.n > want.n) {
		*value = argv[*i] + want.n + 1;
		return word.p[want.n] == '=';
	}
	*value = *i + 1 < argc ? argv[++*i] : NULL;
	return true;
}

bool ctl_args_global(struct ctl *c, char *const *argv, int argc, int *i, int *status_out)
{
	*status_out = EX_OK;
	if (slice_eq(slice_str(argv[*i]), SL("--json"))) {
		c->json = true;
		return true;
	}
	for (size_t g = 0; g < ARRAY_LEN(globals); g++) {
		const char *value;

		if (!match_option(globals[g].name, argv, argc, i, &value))
			continue;
		if (value == NULL)
			*status_out =
				ctl_fail(c, EX_USAGE, "%s: a value is missing", globals[g].name);
		*(const char **)(void *)((char *)c + globals[g].offset) = value;
		return true;
	}
	return false;
}

/* ---- parsing ---- */

static bool is_option(const struct ctl_arg *a)
{
	return a->name[0] == '-';
}

static size_t count_given(const struct ctl_args *a, const struct ctl_arg *arg)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n; i++)
		n += a->given[i].arg == arg;
	return n;
}

static int add_given(struct ctl *c, struct ctl_args *a, const struct ctl_arg *arg,
		     const char *value)
{
	if (count_given(a, arg) != 0 && (arg->flags & ARG_MANY) == 0)
		return ctl_fail(c, EX_USAGE, "%s: given twice", arg->name);
	a->given[a->n++] = (struct ctl_given){arg, value};
	return EX_OK;
}

static int parse_option(struct ctl *c, struct ctl_args *a, char *const *argv, int argc, int *i)
{
	int status;

	if (ctl_args_global(c, argv, argc, i, &status))
		return status;
	for (const struct ctl_arg *arg = a->command->args; arg->name != NULL; arg++) {
		const char *value = "";

		if (!is_option(arg))
			continue;
		if (arg->value == NULL) {
			if (slice_eq(slice_str(argv[*i]), slice_str(arg->name)))
				return add_given(c, a, arg, "");
			continue;
		}
		if (!match_option(arg->name, argv, argc, i, &value))
			continue;
		if (value == NULL)
			return ctl_fail(c, EX_USAGE, "%s: a value is missing", arg->name);
		return add_given(c, a, arg, value);
	}
	return ctl_fail(c, EX_USAGE, "%s: no such option; see `postern %s %s --help`", argv[*i],
			a->command->noun, a->command->verb);
}

static int parse_position(struct ctl *c, struct ctl_args *a, const char *word)
{
	for (const struct ctl_arg *arg = a->command->args; arg->name != NULL; arg++) {
		if (is_option(arg))
			continue;
		if (count_given(a, arg) == 0 || (arg->flags & ARG_MANY) != 0)
			return add_given(c, a, arg, word);
	}
	return ctl_fail(c, EX_USAGE, "%s: one argument too many", word);
}

static int check_required(struct ctl *c, const struct ctl_args *a)
{
	for (const struct ctl_arg *arg = a->command->args; arg->name != NULL; arg++) {
		bool is_asked = c->at_terminal && (arg->flags & ARG_ASKED) != 0;

		if ((arg->flags & ARG_REQUIRED) != 0 && !is_asked && count_given(a, arg) == 0)
			return ctl_fail(c, EX_USAGE, "%s is missing; see `postern %s %s --help`",
					arg->name, a->command->noun, a->command->verb);
	}
	return EX_OK;
}

int ctl_args_parse(struct ctl *c, const struct ctl_command *cmd, char *const *argv, int argc,
		   struct ctl_args *out, bool *help_out)
{
	bool only_positions = false;
	int status = EX_OK;

	*help_out = false;
	*out = (struct ctl_args){
		.command = cmd,
		.given = arena_alloc(&c->mem, (size_t)(argc + 1) * sizeof *out->given),
	};
	for (int i = 0; status == EX_OK && i < argc; i++) {
		slice_t word = slice_str(argv[i]);

		/* A number below zero is no option. */
		if (only_positions || word.n < 2 || word.p[0] != '-' ||
		    (word.p[1] >= '0' && word.p[1] <= '9')) {
			status = parse_position(c, out, argv[i]);
		} else if (slice_eq(word, SL("--"))) {
			only_positions = true;
		} else if (slice_eq(word, SL("--help")) || slice_eq(word, SL("-h"))) {
			*help_out = true;
			return EX_OK;
		} else {
			status = parse_option(c, out, argv, argc, &i);
		}
	}
	return status == EX_OK ? check_required(c, out) : status;
}

const char *ctl_args_get(const struct ctl_args *a, const char *name)
{
	for (size_t i = 0; i < a->n; i++) {
		if (slice_eq(slice_str(a->given[i].arg->name), slice_str(name)))
			return a->given[i].value;
	}
	return NULL;
}

/* ---- filling of requests ---- */

static bool is_word(slice_t name, slice_t text)
{
	bool same = name.n == text.n;

	for (size_t i = 0; same && i < name.n; i++)
		same = ascii_lower(name.p[i]) == ascii_lower(text.p[i]) ||
		       (name.p[i] == '_' && text.p[i] == '-');
	return same;
}

/* "LOCAL" of DOMAIN_KIND_LOCAL, as it is shown: what follows the name that the value 0 has without
 * its NONE. */
static bool parse_enum(const ProtobufCEnumDescriptor *e, slice_t text, int *out)
{
	const ProtobufCEnumValue *none = protobuf_c_enum_descriptor_get_value(e, 0);
	size_t skip = strlen(none->name) - strlen("NONE");

	for (unsigned i = 0; i < e->n_values; i++) {
		slice_t name = slice_str(e->values[i].name);

		if (e->values[i].value != 0 && is_word(slice_from(name, skip), text)) {
			*out = e->values[i].value;
			return true;
		}
	}
	return false;
}

static bool parse_number(const ProtobufCFieldDescriptor *f, slice_t text, uint64_t max,
			 uint64_t *out)
{
	if (slice_eq(text, SL("none"))) {
		*out = 0;
		return true;
	}
	if (slice_eq(text, SL("default"))) {
		*out = max;
		return true;
	}
	if (slice_ends(slice_str(f->name), SL("_bytes")))
		return num_parse_bytes(text, out) && *out < max;
	if (slice_ends(slice_str(f->name), SL("_s"))) {
		if (!num_parse_ms(text, out))
			return false;
		*out /= 1000;
		return true;
	}
	return num_parse(text, max - 1, out);
}

static bool fill_scalar(struct arena *mem, const ProtobufCFieldDescriptor *f, void *to,
			slice_t text)
{
	uint64_t n;
	int value;

	switch ((int)f->type) {
	case PROTOBUF_C_TYPE_STRING:
		*(char **)to = arena_str(mem, text);
		return true;
	case PROTOBUF_C_TYPE_UINT64:
		return parse_number(f, text, UINT64_MAX, to);
	case PROTOBUF_C_TYPE_UINT32:
		if (!parse_number(f, text, UINT32_MAX, &n))
			return false;
		*(uint32_t *)to = (uint32_t)n;
		return true;
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *)to = 1;
		return text.n == 0;
	case PROTOBUF_C_TYPE_ENUM:
		value = 0; /* none */
		if (text.p != NULL && !parse_enum(f->descriptor, text, &value))
			return false;
		*(int *)to = value;
		return true;
	}
	invariant(!"a type that no argument has");
	return false;
}

static void append_string(struct arena *mem, ProtobufCMessage *m, const ProtobufCFieldDescriptor *f,
			  slice_t text)
{
	size_t *n = (void *)((char *)m + f->quantifier_offset);
	char ***list = (void *)((char *)m + f->offset);
	char **grown = arena_alloc(mem, (*n + 1) * sizeof(*grown));

	invariant(f->type == PROTOBUF_C_TYPE_STRING);
	if (*n != 0)
		memcpy(grown, *list, *n * sizeof(*grown));
	grown[(*n)++] = arena_str(mem, text);
	*list = grown;
}

/* A field NAME that may be absent has a has_NAME beside it (proto/admin.proto). */
static void set_presence(ProtobufCMessage *m, const char *field)
{
	const ProtobufCFieldDescriptor *has;
	char name[80];

	snprintf(name, sizeof name, "has_%s", field);
	has = protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);
	if (has != NULL)
		*(protobuf_c_boolean *)((char *)m + has->offset) = 1;
}

enum err ctl_fill_field(struct arena *mem, ProtobufCMessage *m, const char *field, slice_t text,
			struct diag *d)
{
	const ProtobufCFieldDescriptor *f =
		protobuf_c_message_descriptor_get_field_by_name(m->descriptor, field);

	invariant(f != NULL);
	if (f->label == PROTOBUF_C_LABEL_REPEATED) {
		append_string(mem, m, f, text);
		return E_OK;
	}
	if (!fill_scalar(mem, f, (char *)m + f->offset, text))
		return diag_set(d, E_INVALID, "%.*s: not a value for it",
				(int)MIN(text.n, (size_t)80), text.p);
	set_presence(m, field);
	return E_OK;
}

int ctl_args_fill(struct ctl *c, const struct ctl_args *a, ProtobufCMessage *m)
{
	for (size_t i = 0; i < a->n; i++) {
		const struct ctl_given *g = &a->given[i];
		slice_t text = slice_str(g->value);
		struct diag d = {""};

		if ((g->arg->flags & ARG_NONE) != 0 && slice_eq(text, SL("none")))
			text = (slice_t){0};
		if (g->arg->field != NULL &&
		    ctl_fill_field(&c->mem, m, g->arg->field, text, &d) != E_OK)
			return ctl_fail(c, EX_USAGE, "%s: %s", g->arg->name, d.text);
	}
	return EX_OK;
}

/* ---- help ---- */

static const char global_help[] = "\n"
				  "Where (one of):\n"
				  "  --cluster FILE            cluster.json; or $POSTERN_CLUSTER\n"
				  "  --address HOST:PORT --cert FILE --key FILE --ca FILE\n"
				  "\n"
				  "  --json                    print JSON instead of tables\n"
				  "  -h, --help, help          of the program, a noun, a verb\n"
				  "  -V, --version\n";

static void help_program(FILE *out, const struct ctl_command *const *tables)
{
	const char *last = "";

	fputs("usage: postern [OPTION]... NOUN VERB [ARGUMENT]...\n", out);
	for (; *tables != NULL; tables++) {
		for (const struct ctl_command *cmd = *tables; cmd->noun != NULL; cmd++) {
			if (strcmp(cmd->noun, last) != 0)
				fprintf(out, "\n  %-10s %s", cmd->noun, cmd->verb);
			else if (cmd->verb[0] != '\0')
				fprintf(out, "|%s", cmd->verb);
			last = cmd->noun;
		}
	}
	fputc('\n', out);
	fputs(global_help, out);
}

static void help_noun(FILE *out, const struct ctl_command *const *tables, const char *noun)
{
	fprintf(out, "usage: postern %s VERB [ARGUMENT]...\n\n", noun);
	for (; *tables != NULL; tables++) {
		for (const struct ctl_command *cmd = *tables; cmd->noun != NULL; cmd++) {
			if (strcmp(cmd->noun, noun) == 0)
				fprintf(out, "  %-9s %s\n", cmd->verb, cmd->help);
		}
	}
}

static void help_usage(FILE *out, const struct ctl_command *cmd)
{
	fprintf(out, "usage: postern %s", cmd->noun);
	if (cmd->verb[0] != '\0')
		fprintf(out, " %s", cmd->verb);
	for (const struct ctl_arg *a = cmd->args; a->name != NULL; a++) {
		bool needed = (a->flags & ARG_REQUIRED) != 0;

		fprintf(out, " %s%s%s%s%s%s", needed ? "" : "[", a->name,
			a->value != NULL ? " " : "", a->value != NULL ? a->value : "",
			needed ? "" : "]", (a->flags & ARG_MANY) != 0 ? "..." : "");
	}
	fprintf(out, "\n\n%s\n", cmd->help);
	if (cmd->args->name != NULL)
		fputc('\n', out);
	for (const struct ctl_arg *a = cmd->args; a->name != NULL; a++)
		fprintf(out, "  %s%s%-*s %s\n", a->name, a->value != NULL ? " " : "",
			MAX(0, 24 - (int)strlen(a->name)), a->value != NULL ? a->value : "",
			a->help);
}

void ctl_help(FILE *out, const struct ctl_command *const *tables, const char *noun,
	      const struct ctl_command *cmd)
{
	if (cmd != NULL)
		help_usage(out, cmd);
	else if (noun != NULL)
		help_noun(out, tables, noun);
	else
		help_program(out, tables);
}
