/*
 * Addresses and dates. The first byte chooses; for addresses and dates what was read is written
 * and read again, and must be the same.
 */
#include "common/base/utf8.h"
#include "common/parse/addr.h"
#include "common/parse/date.h"
#include "tests/fuzz/fuzz.h"

#define LIST_BUDGET (256 * 1024)

static void check_addr(const struct addr *a, enum addr_charset cs)
{
	struct addr again;
	struct buf text;

	FUZZ_CHECK(a->local_n <= ADDR_LOCAL_MAX && strlen(a->local) == a->local_n);
	FUZZ_CHECK(a->domain_n <= ADDR_DOMAIN_MAX && strlen(a->domain) == a->domain_n);
	FUZZ_CHECK(utf8_valid(addr_local(a)) && utf8_valid(addr_domain(a)));
	FUZZ_CHECK(cs == ADDR_SMTPUTF8 || (a->flags & ADDR_UTF8) == 0);
	if ((a->flags & (ADDR_NULL | ADDR_POSTMASTER)) != 0)
		return;
	FUZZ_CHECK(a->local_n != 0 && a->domain_n != 0);
	buf_init(&text, 1024, NULL);
	addr_format(a, &text);
	FUZZ_CHECK(!buf_failed(&text));
	FUZZ_CHECK(addr_parse(buf_slice(&text), cs, &again) == E_OK);
	FUZZ_CHECK(addr_eq(a, &again) && a->flags == again.flags);
	buf_fini(&text);
	if (addr_normalise(&again) == E_OK) {
		struct addr twice = again;

		FUZZ_CHECK(utf8_is_ascii(addr_domain(&again)));
		FUZZ_CHECK(addr_normalise(&twice) == E_OK && addr_eq(&twice, &again));
	}
}

static void fuzz_addr(slice_t in, enum addr_charset cs)
{
	struct cursor reverse = cursor(in), forward = cursor(in), mailbox = cursor(in);
	struct addr a;

	if (addr_parse(in, cs, &a) == E_OK)
		check_addr(&a, cs);
	if (addr_take_mailbox(&mailbox, cs, &a) == E_OK)
		check_addr(&a, cs);
	else
		FUZZ_CHECK(mailbox.at == 0);
	if (addr_take_reverse_path(&reverse, cs, &a) == E_OK) {
		FUZZ_CHECK(reverse.at <= ADDR_PATH_MAX);
		check_addr(&a, cs);
	} else {
		FUZZ_CHECK(reverse.at == 0);
	}
	if (addr_take_forward_path(&forward, cs, &a) == E_OK) {
		FUZZ_CHECK(forward.at <= ADDR_PATH_MAX && (a.flags & ADDR_NULL) == 0);
		check_addr(&a, cs);
	}
}

static void check_list(const struct addr_list *l, slice_t in)
{
	bool in_group = false;

	for (size_t i = 0; i < l->n; i++) {
		const struct addr_item *a = &l->items[i];

		FUZZ_CHECK(!a->malformed || l->malformed);
		if (a->kind != ADDR_MAILBOX) {
			FUZZ_CHECK(in_group == (a->kind == ADDR_GROUP_END));
			in_group = !in_group;
			continue;
		}
		FUZZ_CHECK(a->malformed || (a->local.n != 0 && a->domain.n != 0));
		FUZZ_CHECK(a->local.n + a->domain.n + a->route.n <= 2 * in.n);
	}
	FUZZ_CHECK(!in_group || l->cut);
}

static void fuzz_list(slice_t in, size_t max)
{
	struct budget budget;
	struct arena mem;
	struct addr_list l;

	budget_init(&budget, LIST_BUDGET, NULL);
	arena_init(&mem, &budget);
	if (addr_list_parse(in, max, &mem, &l) == E_OK) {
		FUZZ_CHECK(l.n <= max && l.n <= ADDR_LIST_MAX);
		check_list(&l, in);
	} else {
		FUZZ_CHECK(l.n == 0);
	}
	FUZZ_CHECK(budget.peak <= LIST_BUDGET);
	arena_reset(&mem);
	budget_fini(&budget);
}

static void check_date(struct date d)
{
	char text[DATE_STR_MAX];
	struct date again;

	FUZZ_CHECK(date_parse_imap(slice_str(date_format_imap(d, text)), &again));
	FUZZ_CHECK(again.utc_s == d.utc_s && again.zone_min == d.zone_min);
	FUZZ_CHECK(date_parse_rfc5322(slice_str(date_format_rfc5322(d, text)), &again));
	FUZZ_CHECK(again.utc_s == d.utc_s && again.zone_min == d.zone_min);
}

static void fuzz_date(slice_t in)
{
	struct date d;
	int32_t day;

	if (date_parse_rfc5322(in, &d))
		check_date(d);
	if (date_parse_imap(in, &d))
		check_date(d);
	if (date_parse_imap_day(in, &day))
		FUZZ_CHECK(date_local_day((struct date){.utc_s = (int64_t)day * 86400}) == day);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	slice_t in = slice(data, size);
	char domain[DOMAIN_MAX + 1];

	switch (fuzz_byte(&in) % 8) {
	case 0:
		fuzz_addr(in, ADDR_ASCII);
		break;
	case 1:
		fuzz_addr(in, ADDR_SMTPUTF8);
		break;
	case 2:
		fuzz_list(in, ADDR_LIST_MAX);
		break;
	case 3:
		fuzz_list(in, 3);
		break;
	case 4:
		if (domain_normalise(in, domain) == E_OK)
			FUZZ_CHECK(strlen(domain) >= 1 && strlen(domain) <= DOMAIN_MAX);
		break;
	default:
		fuzz_date(in);
	}
	return 0;
}
