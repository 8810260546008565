/*
 * An answer of DNS, whatever was asked for.
 *
 * Promises: no reading outside; names are what dnsname_parse takes, or empty; the reader ends; what
 * the typed question makes of it keeps the limits.
 */
#include "common/loop/fiber.h"
#include "frontend/dns/resolver.h"
#include "tests/fuzz/fuzz.h"

static slice_t answer;

static void check_name(const struct dnsname *n)
{
	struct dnsname again;

	FUZZ_CHECK(n->n <= DNS_NAME_MAX && n->text[n->n] == '\0');
	FUZZ_CHECK((n->kind == DNSNAME_HOST) == (n->n != 0));
	if (n->kind == DNSNAME_HOST) {
		FUZZ_CHECK(dnsname_parse(slice(n->text, n->n), &again));
		FUZZ_CHECK(slice_eq(slice(n->text, n->n), slice(again.text, again.n)));
	}
}

static void read_all(slice_t message)
{
	struct dnsmsg m;
	struct dnsrr rr;
	struct dnsname n;

	if (!dnsmsg_open(message, &m))
		return;
	while (dnsmsg_next(&m, &rr) == P_OK) {
		check_name(&rr.owner);
		FUZZ_CHECK(rr.data.p >= message.p && rr.data.n <= message.n);
		if (dnsrr_name(&m, &rr, 0, &n))
			check_name(&n);
		if (dnsrr_name(&m, &rr, 2, &n))
			check_name(&n);
	}
}

static enum dns_twin_says say(void *arg UNUSED, slice_t name UNUSED, uint16_t type UNUSED,
			      struct dns_twin_answer *out)
{
	out->secure = true;
	buf_put(&out->packet, answer);
	return DNS_TWIN_ANSWERS;
}

WAITS static void ask(struct arena *mem)
{
	struct ipaddr addr = {.family = 4};
	struct dns_mx_answer mx;
	struct dns_addrs_answer a;
	struct dns_txt_answer txt;
	struct dns_tlsa_answer tlsa;
	struct dns_ptr_answer ptr;

	FUZZ_CHECK(dns_mx(SL("a"), mem, NO_DEADLINE, &mx) == E_OK && mx.n <= DNS_MX_MAX);
	FUZZ_CHECK(mx.a.status != DNS_OK || mx.null_mx == (mx.n == 0));
	for (size_t i = 1; i < mx.n; i++)
		FUZZ_CHECK(mx.list[i - 1].preference <= mx.list[i].preference);
	FUZZ_CHECK(dns_addrs(SL("a"), mem, NO_DEADLINE, &a) == E_OK);
	FUZZ_CHECK(a.n <= 2 * DNS_ADDRS_MAX && (a.a.status == DNS_OK) == (a.n != 0));
	FUZZ_CHECK(dns_txt(SL("a"), mem, NO_DEADLINE, &txt) == E_OK && txt.n <= DNS_TXT_MAX);
	FUZZ_CHECK(dns_tlsa(SL("a"), mem, NO_DEADLINE, &tlsa) == E_OK && tlsa.n <= DNS_TLSA_MAX);
	FUZZ_CHECK(dns_ptr(&addr, mem, NO_DEADLINE, &ptr) == E_OK && ptr.n <= DNS_PTR_MAX);
}

WAITS static void ask_all(void *arg)
{
	struct arena mem;

	arena_init(&mem, NULL);
	ask(&mem);
	arena_reset(&mem);
	loop_stop(arg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct dns_twin twin = {.answer = say};
	struct loop *loop = loop_new();

	answer = slice(data, MIN(size, (size_t)DNS_PACKET_MAX));
	read_all(answer);
	resolver_replace(&twin);
	FUZZ_CHECK(fiber_start("fuzz", ask_all, loop, NULL) == E_OK);
	loop_run(loop);
	loop_free(&loop);
	return 0;
}
