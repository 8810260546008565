/* The method table: whole, sorted, and with nobody let in by mistake. A new method belongs into the
 * golden table below, so that who may call it is decided twice. */
#include "backend/rpc/limits.h"
#include "backend/rpc/rpc_methods.h"
#include "proto/method.pb-c.h"
#include "tests/lib/check.h"

/* Who may call: letters of services (s SMTP, u submission, i IMAP, p POP3, m ManageSieve, o
 * outbound, w web, * every service of a front-end), B back-ends. Ticket rights: r read, w write,
 * - no ticket. */
static const struct {
	unsigned number;
	const char *name, *who, *rights;
} golden[] = {
	{1, "Auth.Start", "uipm", "-"},      {2, "Auth.Step", "uipm", "-"},
	{3, "Ticket.Renew", "uipm", "-"},    {4, "Auth.End", "uipm", "-"},
	{16, "Policy.Watch", "*", "-"},      {17, "Node.Report", "*", "-"},
	{32, "Resolve", "su", "-"},          {33, "Deliver.Begin", "suoB", "-"},
	{34, "Deliver.Commit", "suoB", "-"}, {35, "Deliver.Abort", "suoB", "-"},
	{36, "Deliver.Settle", "suo", "-"},  {37, "Sender.Check", "suo", "-"},
	{47, "Outbound.Turn", "u", "-"},     {48, "Outbound.Work", "o", "-"},
	{49, "Outbound.Read", "uo", "-"},    {50, "Outbound.Report", "uo", "-"},
	{51, "Outbound.StsGet", "o", "-"},   {52, "Outbound.StsPut", "o", "-"},
	{53, "Outbound.TlsPut", "o", "-"},   {54, "Outbound.TlsWork", "o", "-"},
	{55, "Outbound.TlsStep", "o", "-"},  {56, "Dns.Watch", "o", "-"},
	{57, "Dns.Answer", "o", "-"},        {58, "Ingest.Work", "o", "-"},
	{59, "Ingest.Read", "o", "-"},       {60, "Ingest.Open", "o", "-"},
	{61, "Ingest.Done", "o", "-"},       {62, "Ingest.Drop", "o", "-"},
	{63, "Outbound.Ask", "sB", "-"},     {64, "Mailbox.List", "ip", "r"},
	{65, "Mailbox.Create", "i", "w"},    {66, "Mailbox.Delete", "i", "w"},
	{67, "Mailbox.Rename", "i", "w"},    {68, "Mailbox.Subscribe", "i", "w"},
	{69, "Mailbox.Open", "ip", "r"},     {70, "Mailbox.Status", "ip", "r"},
	{71, "Mailbox.Changes", "ip", "r"},  {72, "Mailbox.Watch", "ip", "r"},
	{96, "Message.Fetch", "ip", "r"},    {97, "Message.Read", "ip", "r"},
	{98, "Message.Store", "i", "w"},     {99, "Message.Copy", "i", "w"},
	{100, "Message.Expunge", "ip", "w"}, {101, "Message.Search", "ip", "r"},
	{102, "Append.Begin", "i", "w"},     {103, "Append.Commit", "i", "w"},
	{104, "Append.Abort", "i", "w"},     {112, "Web.Sts", "w", "-"},
	{113, "Web.Autoconfig", "w", "-"},   {114, "Ingest.TlsReport", "o", "-"},
	{115, "Outbound.Gssapi", "o", "-"},
};

#define ADMIN_FIRST 256
#define PEER_FIRST  512

static const struct {
	enum rpc_service service;
	char letter;
} services[] = {
	{SERVICE_SMTP, 's'},   {SERVICE_SUBMISSION, 'u'},  {SERVICE_IMAP, 'i'},
	{SERVICE_POP3, 'p'},   {SERVICE_MANAGESIEVE, 'm'}, {SERVICE_OUTBOUND, 'o'},
	{SERVICE_INGEST, 'n'}, {SERVICE_WEB, 'w'},
};

/* The same letters, from a row. */
static void who_may(const struct method *m, char out[16])
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(services); i++) {
		if ((m->roles & ROLES(ROLE_FRONTEND)) != 0 &&
		    (m->services & SERVICES(services[i].service)) != 0)
			out[n++] = services[i].letter;
	}
	if (n == ARRAY_LEN(services))
		out[(n = 1) - 1] = '*';
	if ((m->roles & ROLES(ROLE_BACKEND)) != 0)
		out[n++] = 'B';
	out[n] = '\0';
}

TEST(methods_golden)
{
	for (size_t i = 0; i < ARRAY_LEN(golden); i++) {
		const struct method *m = method_find((uint16_t)golden[i].number);
		uint32_t rights = golden[i].rights[0] == 'r'   ? TICKET_READ
				  : golden[i].rights[0] == 'w' ? TICKET_WRITE
							       : 0;
		char who[16];

		check_note("method %u", golden[i].number);
		REQUIRE(m != NULL);
		who_may(m, who);
		CHECK_STR(m->name, golden[i].name);
		CHECK_STR(who, golden[i].who);
		CHECK_INT(m->rights, rights);
		CHECK_INT(m->port, PORT_RPC);
	}
}

static bool is_operators(uint16_t number)
{
	return (number >= POSTERN__METHOD__METHOD_ADMIN_SERVER_LIST &&
		number <= POSTERN__METHOD__METHOD_ADMIN_SERVER_STATE) ||
	       (number >= POSTERN__METHOD__METHOD_ADMIN_QUEUE_LIST &&
		number <= POSTERN__METHOD__METHOD_ADMIN_QUEUE_EDIT);
}

/* No row but the golden ones can be called by a front-end at all; management is the
 * administrators' alone, on a port of its own, but for what an operator has of his own; what
 * back-ends ask each other is theirs alone. */
TEST(methods_of_others)
{
	size_t of_frontends = 0;

	for (size_t i = 0; i < nmethods; i++) {
		const struct method *m = &methods[i];

		check_note("method %u %s", m->number, m->name);
		of_frontends += (m->roles & ROLES(ROLE_FRONTEND)) != 0;
		if (m->number < ADMIN_FIRST)
			continue;
		CHECK_INT(m->roles, m->number >= PEER_FIRST ? ROLES(ROLE_BACKEND)
				    : is_operators(m->number)
					    ? ROLES(ROLE_ADMIN) | ROLES(ROLE_OPERATOR)
					    : ROLES(ROLE_ADMIN));
		CHECK_INT(m->port, m->number < PEER_FIRST ? PORT_ADMIN : PORT_RPC);
		CHECK_INT(m->services, 0);
	}
	CHECK_INT(of_frontends, ARRAY_LEN(golden));
}

TEST(methods_sorted_and_found)
{
	for (size_t i = 0; i < nmethods; i++) {
		CHECK(i == 0 || methods[i - 1].number < methods[i].number);
		CHECK(method_find(methods[i].number) == &methods[i]);
	}
	CHECK(method_find(0) == NULL);
	CHECK(method_find(5) == NULL);
	CHECK(method_find(UINT16_MAX) == NULL);
}

/* Every method of the contract has one row, and every row is of the contract. */
TEST(methods_are_the_contract)
{
	const ProtobufCEnumDescriptor *e = &postern__method__descriptor;
	size_t in_contract = 0;

	for (unsigned i = 0; i < e->n_values; i++) {
		int number = e->values[i].value;

		if (number == POSTERN__METHOD__METHOD_NONE)
			continue;
		check_note("%s", e->values[i].name);
		CHECK(method_find((uint16_t)number) != NULL);
		in_contract++;
	}
	CHECK_INT(nmethods, in_contract);
}

/* "Mailbox.Watch" and METHOD_MAILBOX_WATCH. */
static bool names_agree(const char *row, const char *contract)
{
	const char *c = contract + strlen("METHOD_");

	for (; *row != '\0' && *c != '\0'; row++) {
		if (*row == '.') {
			if (*c++ != '_')
				return false;
			continue;
		}
		if (*c == '_')
			c++;
		if ((*row & ~0x20) != *c++)
			return false;
	}
	return *row == '\0' && *c == '\0';
}

TEST(methods_are_well_formed)
{
	for (size_t i = 0; i < nmethods; i++) {
		const struct method *m = &methods[i];
		const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(
			&postern__method__descriptor, m->number);
		const ProtobufCFieldDescriptor *ticket =
			protobuf_c_message_descriptor_get_field_by_name(m->request, "ticket");

		check_note("method %u %s", m->number, m->name);
		REQUIRE(v != NULL);
		CHECK(names_agree(m->name, v->name));
		CHECK(m->run != NULL);
		CHECK(m->roles != 0);
		CHECK(((m->roles & ROLES(ROLE_FRONTEND)) != 0) == (m->services != 0));
		CHECK(m->payload_max > 0 && m->payload_max <= RPC_PAYLOAD_MAX);
		CHECK(m->long_max == 0 || m->long_max > m->payload_max);
		CHECK(m->deadline_ms > 0);
		CHECK(m->rate < RATE_CLASSES);
		if (m->rights == 0)
			continue;
		/* The ticket is where the dispatcher looks for it, and only front-ends have one. */
		REQUIRE(ticket != NULL);
		CHECK_INT(ticket->offset, m->ticket_offset);
		CHECK_INT(ticket->type, PROTOBUF_C_TYPE_BYTES);
		CHECK_INT(m->roles, ROLES(ROLE_FRONTEND));
	}
}

/* A misspelt field would leave the default in force without a word. */
TEST(limits_name_real_fields)
{
	for (const struct walk_limit *l = be_walk_limits; l->message != NULL; l++) {
		const ProtobufCFieldDescriptor *f =
			protobuf_c_message_descriptor_get_field_by_name(l->message, l->field);

		check_note("%s.%s", l->message->name, l->field);
		REQUIRE(f != NULL);
		CHECK(l->count_max != 0 || l->len_max != 0);
		CHECK(l->count_max == 0 || f->label == PROTOBUF_C_LABEL_REPEATED);
		CHECK(l->len_max == 0 || f->type == PROTOBUF_C_TYPE_BYTES ||
		      f->type == PROTOBUF_C_TYPE_STRING);
		for (const struct walk_limit *k = l + 1; k->message != NULL; k++)
			CHECK(k->message != l->message || strcmp(k->field, l->field) != 0);
	}
}
