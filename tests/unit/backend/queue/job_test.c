/* A queue item's payload: back as it went in, and refused when it is anything else. */
#include "backend/queue/job.h"

#include <stdio.h>
#include <string.h>

#include "tests/lib/check.h"

static const uint64_t accounts[] = {1, 300, UINT64_MAX};

static struct job sample(void)
{
	struct job j = {
		.kind = JOB_ACCOUNTS,
		.origin = SL("frontend/fe1/smtp"),
		.partition = 70000,
		.accounts = accounts,
		.naccounts = ARRAY_LEN(accounts),
		.address = SL("all+x@example.org"),
		.sender = SL("\xff\x01 not utf-8"),
		.prefix = SL("Received: x\r\n"),
		.junk = true,
		.notify = 5,
		.orcpt = SL("rfc822;all@example.org"),
		.ret = 2,
		.envid = SL("envelope"),
		.first_us = INT64_MIN,
		.attempts = UINT32_MAX,
		.last_error = SL("retry"),
		.depth = 3,
		.account = UINT64_MAX,
		.next_us = 77,
		.held = true,
		.content = CONTENT_8BIT | CONTENT_UTF8,
		.priority = -4,
		.release_us = 1700000000000010,
		.by = BY_NOTIFY | BY_TRACE,
		.by_us = -5,
		.elsewhere = true,
		.route = SL("[192.0.2.1]:25"),
		.action = JOB_DELAYED,
		.status = SL("4.2.2"),
		.remote = SL("mx.example.net [192.0.2.2]"),
		.warned = true,
		.last_us = 78,
		.expire_us = INT64_MAX,
		.notice_us = 79,
		.server = SL("second"),
	};

	for (unsigned i = 0; i < 16; i++)
		j.txid[i] = j.trace_id[i] = (uint8_t)(0xf0 + i);
	return j;
}

static void check_same(const struct job *a, const struct job *b)
{
	CHECK_INT(a->kind, b->kind);
	CHECK_SLICE(a->origin, b->origin);
	CHECK_SLICE(slice(a->txid, sizeof a->txid), slice(b->txid, sizeof b->txid));
	CHECK_INT(a->partition, b->partition);
	CHECK_SLICE(slice(a->accounts, a->naccounts * sizeof *a->accounts),
		    slice(b->accounts, b->naccounts * sizeof *b->accounts));
	CHECK_SLICE(a->address, b->address);
	CHECK_SLICE(a->sender, b->sender);
	CHECK_SLICE(a->prefix, b->prefix);
	CHECK_INT(a->junk, b->junk);
	CHECK_INT(a->notify, b->notify);
	CHECK_SLICE(a->orcpt, b->orcpt);
	CHECK_INT(a->ret, b->ret);
	CHECK_SLICE(a->envid, b->envid);
	CHECK_SLICE(slice(a->trace_id, 16), slice(b->trace_id, 16));
	CHECK_INT(a->first_us, b->first_us);
	CHECK_INT(a->attempts, b->attempts);
	CHECK_SLICE(a->last_error, b->last_error);
	CHECK_INT(a->depth, b->depth);
	CHECK_INT(a->account, b->account);
	CHECK_INT(a->next_us, b->next_us);
	CHECK_INT(a->held, b->held);
	CHECK_INT(a->content, b->content);
	CHECK_INT(a->priority, b->priority);
	CHECK_INT(a->release_us, b->release_us);
	CHECK_INT(a->by, b->by);
	CHECK_INT(a->by_us, b->by_us);
	CHECK(a->elsewhere == b->elsewhere);
	CHECK_SLICE(a->route, b->route);
	CHECK_INT(a->action, b->action);
	CHECK_SLICE(a->status, b->status);
	CHECK_SLICE(a->remote, b->remote);
	CHECK_INT(a->warned, b->warned);
	CHECK_INT(a->last_us, b->last_us);
	CHECK_INT(a->expire_us, b->expire_us);
	CHECK_INT(a->notice_us, b->notice_us);
	CHECK_SLICE(a->server, b->server);
}

TEST(job_names)
{
	CHECK_STR(job_action_name(JOB_FAILED), "failed");
	CHECK_STR(job_action_name(JOB_DELIVERED), "delivered");
	CHECK(job_is_outward(JOB_OUTSIDE) && job_is_outward(JOB_NOTICE) && job_is_outward(JOB_BAD));
	CHECK(!job_is_outward(JOB_EXPAND) && !job_is_outward(JOB_ACCOUNTS));
}

TEST(job_round_trip)
{
	static const enum job_kind kinds[] = {JOB_EXPAND, JOB_ACCOUNTS, JOB_OUTSIDE, JOB_NOTICE,
					      JOB_BAD};
	struct job in = sample(), out, least = {.kind = JOB_EXPAND};
	struct arena mem;

	arena_init(&mem, NULL);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		in.kind = kinds[i];
		CHECK_ERR(job_unpack(job_pack(&in, &mem), &mem, &out), E_OK);
		check_same(&out, &in);
		CHECK(strcmp(job_kind_name(kinds[i]), "unknown") != 0);
	}
	CHECK_ERR(job_unpack(job_pack(&least, &mem), &mem, &out), E_OK);
	check_same(&out, &least);
	arena_reset(&mem);
}

TEST(job_refuses_what_is_none)
{
	struct job j = sample(), out;
	struct arena mem;
	slice_t bytes;

	arena_init(&mem, NULL);
	CHECK_ERR(job_unpack(SLICE_NONE, &mem, &out), E_CORRUPT);
	j.kind = (enum job_kind)0;
	CHECK_ERR(job_unpack(job_pack(&j, &mem), &mem, &out), E_CORRUPT);
	j.kind = (enum job_kind)6;
	CHECK_ERR(job_unpack(job_pack(&j, &mem), &mem, &out), E_CORRUPT);
	/* kind 1, and a transaction id of three bytes: field 3, then the trace id. */
	bytes = slice("\x08\x01\x1a\x03"
		      "abc\x72\x10"
		      "0123456789abcdef",
		      25);
	CHECK_ERR(job_unpack(bytes, &mem, &out), E_CORRUPT);
	arena_reset(&mem);
}

TEST(job_limits)
{
	static const uint64_t many[JOB_ACCOUNTS_MAX + 1];
	static const char prefix[STORE_PREFIX_MAX + 1];
	struct job j = sample(), out;
	struct arena mem;

	arena_init(&mem, NULL);
	j.accounts = many;
	j.naccounts = JOB_ACCOUNTS_MAX;
	j.prefix = slice(prefix, STORE_PREFIX_MAX);
	CHECK_ERR(job_unpack(job_pack(&j, &mem), &mem, &out), E_OK);
	CHECK(job_pack(&j, &mem).n <= STORE_PAYLOAD_MAX);
	j.naccounts++;
	CHECK_ERR(job_unpack(job_pack(&j, &mem), &mem, &out), E_CORRUPT);
	j.naccounts--;
	j.prefix.n++;
	CHECK_ERR(job_unpack(job_pack(&j, &mem), &mem, &out), E_CORRUPT);
	arena_reset(&mem);
}

/* Every truncation, and every byte changed in three ways: a job or E_CORRUPT, with nothing read
 * outside (the bytes lie in memory of exactly their size), and what is taken packs again. */
TEST(job_hostile_bytes)
{
	struct job j = sample(), out;
	struct arena mem, made;
	unsigned taken = 0;
	slice_t bytes;
	char *copy;

	arena_init(&made, NULL);
	arena_init(&mem, NULL);
	bytes = job_pack(&j, &made);
	for (size_t n = 0; n < bytes.n; n++) {
		enum err e;

		copy = xmalloc(n + 1);
		memcpy(copy, bytes.p, n);
		e = job_unpack(slice(copy, n), &mem, &out);
		CHECK(e == E_OK || e == E_CORRUPT);
		xfree(&copy);
		arena_reset(&mem);
	}
	copy = xmalloc(bytes.n);
	for (size_t i = 0; i < 3 * bytes.n; i++) {
		static const unsigned char change[3] = {0x01, 0x80, 0xff};
		enum err e;

		memcpy(copy, bytes.p, bytes.n);
		copy[i / 3] = (char)((unsigned char)copy[i / 3] ^ change[i % 3]);
		e = job_unpack(slice(copy, bytes.n), &mem, &out);
		CHECK(e == E_OK || e == E_CORRUPT);
		if (e == E_OK) {
			struct job again;

			CHECK_ERR(job_unpack(job_pack(&out, &mem), &mem, &again), E_OK);
			taken++;
		}
		arena_reset(&mem);
	}
	CHECK(taken > 0);
	xfree(&copy);
	arena_reset(&made);
}

/* Every bit has its word, in this order; a bit that nobody knows has none. */
TEST(job_bits_in_words)
{
	static const struct {
		char *(*text)(uint32_t bits, struct arena *mem);
		const char *words[6];
		uint32_t bits[6];
		uint32_t plain; /* without these bits a word of its own comes first */
		const char *plain_word;
	} of[] = {
		{job_notify_text, {"never", "success", "failure", "delay"}, {8, 1, 2, 4}, 0, ""},
		{job_by_text, {"return", "notify", "trace"}, {1, 2, 4}, 0, ""},
		{job_content_text,
		 {"8bit", "utf8", "binary", "requiretls", "tls-optional", "losable"},
		 {1, 2, 32, 4, 8, 16},
		 1 | 2 | 32,
		 "7bit"},
	};
	struct arena mem;

	arena_init(&mem, NULL);
	for (size_t k = 0; k < ARRAY_LEN(of); k++) {
		for (uint32_t bits = 0; bits < 256; bits++) {
			char want[128] = "";

			if ((bits & of[k].plain) == 0)
				snprintf(want, sizeof want, "%s", of[k].plain_word);
			for (size_t i = 0; i < 6 && of[k].words[i] != NULL; i++) {
				size_t n = strlen(want);

				if ((bits & of[k].bits[i]) != 0)
					snprintf(want + n, sizeof want - n, "%s%s",
						 n != 0 ? "," : "", of[k].words[i]);
			}
			check_note("table %zu, bits %u", k, bits);
			CHECK_STR(of[k].text(bits, &mem), want);
		}
	}
	arena_reset(&mem);
}
