/* A destination into servers: MX in order, own addresses, literals, routes, and what it means that
 * there is nobody. DNS is a table. */
#include "frontend/outbound/hosts.h"

#include "common/loop/fiber.h"
#include "frontend/core/policy.h"
#include "frontend/outbound/notice_post.h"
#include "tests/lib/check.h"
#include "tests/lib/dnstwin.h"

static const struct dnstwin_rr records[] = {
	{"two.test", "MX", "20 b.two.test"},
	{"two.test", "MX", "10 a.two.test"},
	{"a.two.test", "A", "192.0.2.1"},
	{"a.two.test", "AAAA", "2001:db8::1"},
	{"b.two.test", "A", "192.0.2.2"},
	{"plain.test", "A", "192.0.2.3"},
	{"null.test", "MX", "0 ."},
	{"text.test", "TXT", "nothing"},
	{"missing.test", "MX", "10 nobody.test"},
	{"half.test", "MX", "10 nobody.test"},
	{"half.test", "MX", "20 b.two.test"},
	{"silent.test", "FAIL", ""},
	{"forged.test", "BOGUS", ""},
	{"later.test", "MX", "10 silent.test"},
	{"us.test", "MX", "10 a.two.test"},
	{"us.test", "MX", "20 fe1.test"},
	{"us.test", "MX", "30 b.two.test"},
	{"ours.test", "MX", "10 fe1.test"},
	{"relay.test", "A", "192.0.2.9"},
	{"many.test", "MX", "10 many.test"},
	{"many.test", "A", "192.0.2.10"},
	{"many.test", "A", "192.0.2.11"},
	{"many.test", "A", "192.0.2.12"},
	{"many.test", "A", "192.0.2.13"},
	{"many.test", "A", "192.0.2.14"},
	{"many.test", "A", "192.0.2.15"},
	{"many.test", "A", "192.0.2.16"},
	{"many.test", "A", "192.0.2.17"},
	{"many.test", "A", "192.0.2.18"},
	{"many.test", "A", "192.0.2.19"},
	{"many.test", "AAAA", "2001:db8::2"},
	{"many.test", "AAAA", "2001:db8::3"},
	{"many.test", "AAAA", "2001:db8::4"},
	{0},
};

WAITS static void find(const char *destination, struct arena *mem, struct hosts *out)
{
	resolver_replace(dnstwin(records));
	policy_init("fe1.test");
	check_note("%s", destination);
	CHECK_ERR(hosts_find(slice_str(destination), 25, mem, deadline_in(5000), out), E_OK);
}

static const struct {
	const char *destination;
	const char *hosts; /* name ip port, ... */
} found[] = {
	{"two.test", "a.two.test 192.0.2.1 25, a.two.test 2001:db8::1 25, b.two.test 192.0.2.2 25"},
	{"plain.test", "plain.test 192.0.2.3 25"},
	{"half.test", "b.two.test 192.0.2.2 25"},
	{"us.test", "a.two.test 192.0.2.1 25, a.two.test 2001:db8::1 25"},
	{"[192.0.2.7]", "[192.0.2.7] 192.0.2.7 25"},
	{"[IPv6:2001:db8::7]", "[IPv6:2001:db8::7] 2001:db8::7 25"},
	{"[192.0.2.7]:2525", "[192.0.2.7]:2525 192.0.2.7 2525"},
	{"[relay.test]", "relay.test 192.0.2.9 25"},
	{"[relay.test]:587", "relay.test 192.0.2.9 587"},
	{"relay.test:587", "relay.test 192.0.2.9 587"},
	{"half.test:2525", "b.two.test 192.0.2.2 2525"},
};

TEST_FIBER(hosts_found)
{
	for (size_t i = 0; i < ARRAY_LEN(found); i++) {
		struct hosts h;
		struct arena mem;
		struct buf b;

		arena_init(&mem, NULL);
		buf_init(&b, 4096, NULL);
		find(found[i].destination, &mem, &h);
		for (size_t k = 0; k < h.n; k++) {
			char ip[IPADDR_STR];

			buf_printf(&b, "%s%s %s %u", k != 0 ? ", " : "", h.list[k].name,
				   ipaddr_str(&h.list[k].addr, ip), h.list[k].port);
		}
		CHECK_SLICE(buf_slice(&b), slice_str(found[i].hosts));
		buf_fini(&b);
		arena_reset(&mem);
	}
	resolver_replace(NULL);
}

static const struct {
	const char *destination;
	enum smtp_verdict verdict;
	const char *status;
} nobody[] = {
	{"nowhere.test", SMTP_REFUSED, "5.1.2"},
	{"text.test", SMTP_REFUSED, "5.1.2"},
	{"null.test", SMTP_REFUSED, "5.1.10"},
	{"missing.test", SMTP_REFUSED, "5.4.4"},
	{"ours.test", SMTP_REFUSED, "5.4.6"},
	{"silent.test", SMTP_LATER, "4.4.3"},
	{"later.test", SMTP_LATER, "4.4.3"},
	{"forged.test", SMTP_LATER, "4.7.5"},
	{"not a name", SMTP_REFUSED, "5.1.2"},
	{"[192.0.2.7", SMTP_REFUSED, "5.1.2"},
	{"[192.0.2.7]x", SMTP_REFUSED, "5.1.2"},
	{"[192.0.2.7]:0", SMTP_REFUSED, "5.1.2"},
	{"[192.0.2.7]:65536", SMTP_REFUSED, "5.1.2"},
	{"[nowhere.test]", SMTP_REFUSED, "5.1.2"},
	{"[]", SMTP_REFUSED, "5.1.2"},
};

TEST_FIBER(hosts_nobody)
{
	for (size_t i = 0; i < ARRAY_LEN(nobody); i++) {
		struct hosts h;
		struct arena mem;

		arena_init(&mem, NULL);
		find(nobody[i].destination, &mem, &h);
		CHECK_INT(h.n, 0);
		CHECK_INT(h.why.verdict, nobody[i].verdict);
		CHECK_STR(h.why.status, nobody[i].status);
		CHECK(h.why.text[0] != '\0');
		arena_reset(&mem);
	}
	resolver_replace(NULL);
}

TEST_FIBER(hosts_limit)
{
	struct hosts h;
	struct arena mem;

	arena_init(&mem, NULL);
	find("many.test", &mem, &h);
	CHECK_INT(h.n, HOSTS_MAX);
	arena_reset(&mem);
	resolver_replace(NULL);
}

/* ---- what a message asks for in its header ---- */

static const struct {
	const char *header;
	const char *tags;
} languages[] = {
	{"Subject: x\r\n\r\n", ""},
	{"Accept-Language: de-DE, de;q=0.9, en\r\n\r\n", "de-DE de en"},
	{"Content-Language: ru\r\nAccept-Language: de\r\n\r\n", "de"},
	{"Content-Language: ru\r\nSubject: x\r\n\r\n", "ru"},
	{"accept-language:,, ;q=1,fr\r\n", "fr"},
	{"Subject: x\r\n\r\nAccept-Language: de\r\n", ""},
	{"Accept-Language: a,b,c,d,e,f,g,h,i,j\r\n", "a b c d e f g h"},
};

TEST(notice_languages_of_a_header)
{
	for (size_t i = 0; i < ARRAY_LEN(languages); i++) {
		slice_t tags[NOTICE_LANGUAGES_MAX];
		size_t n = notice_wanted_languages(slice_str(languages[i].header), tags);
		struct buf b;

		buf_init(&b, 256, NULL);
		for (size_t k = 0; k < n; k++) {
			if (k != 0)
				buf_putc(&b, ' ');
			buf_put(&b, tags[k]);
		}
		CHECK_SLICE(buf_slice(&b), slice_str(languages[i].tags));
		buf_fini(&b);
	}
}
