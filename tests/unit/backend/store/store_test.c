/* The usual ways through the store. */
#include "backend/store/due.h"
#include "tests/unit/backend/store/util.h"

static const struct uid_range every = {1, UINT32_MAX};

TEST(store_deliver_and_fetch)
{
	struct partition_conf conf = util_conf(check_tmpdir());
	struct partition *p = util_open(&conf);
	struct msg_query q = {.account = 7, .uids = &every, .nuids = 1};
	struct msg_slice s;
	struct util_sent sent;
	struct buf body;

	REQUIRE(p != NULL);
	for (uint64_t i = 1; i <= 5; i++) {
		sent = util_deliver(p, 7, "", i, 100 * i);
		CHECK_ERR(sent.e, E_OK);
		CHECK_INT(sent.uid, i);
	}
	q.mailbox = sent.mailbox;
	q.columns = MSG_FLAGS | MSG_SIZE | MSG_ENVELOPE | MSG_BODYSTRUCTURE | MSG_FIELDS |
		    MSG_PARTS | MSG_IDS | MSG_PREFIX | MSG_RECORD;
	q.fields_mask = 1 << 3;
	msg_slice_init(&s);
	CHECK_ERR(msg_fetch(p, &q, 1, &s), E_OK);
	REQUIRE(s.n == 5);
	CHECK_INT(s.next_uid, 0);
	CHECK_INT(s.uid[4], 5);
	CHECK_INT(s.size[4], 500 + 17);
	CHECK_SLICE(s.envelope[2], SL("(envelope) 3"));
	CHECK_SLICE(s.bodystructure[0], SL("(structure) 1"));
	CHECK_SLICE(s.prefix[1], SL("Return-Path: <>\r\n"));
	CHECK_INT(s.field_run[3].n, 1);
	CHECK_SLICE(s.fields[s.field_run[3].first].raw, SL("Subject: Hello 4"));
	CHECK_INT(s.part_run[4].n, 1);
	CHECK_INT(s.parts[s.part_run[4].first].body_end, 500);
	/* 1..3 share a parent, 4 and 5 another one. */
	CHECK_INT(s.thread_id[0], 1);
	CHECK_INT(s.thread_id[2], 1);
	CHECK_INT(s.thread_id[3], 4);
	CHECK_INT(s.thread_id[4], 4);

	buf_init(&body, 1 << 20, NULL);
	for (unsigned i = 0; i < 5; i++) {
		struct msg_span span = msg_span_blocks(&s.record[i], 0, s.record[i].nblocks - 1);

		buf_reset(&body);
		CHECK_ERR(msg_read(p, &span, 1, &body), E_OK);
		CHECK_INT(body.n, 100 * (i + 1));
		CHECK_INT((unsigned char)body.p[50], util_plain(i + 1, 50));
	}
	buf_fini(&body);
	msg_slice_fini(&s);
	CHECK(util_fsck(p));
	partition_close(&p);
}

TEST(store_list_has_default_folders)
{
	struct partition_conf conf = util_conf(check_tmpdir());
	struct partition *p = util_open(&conf);
	struct change_account c;
	struct mbox_list l;

	REQUIRE(p != NULL);
	mbox_list_init(&l);
	CHECK_ERR(mbox_list(p, 3, &l), E_NOT_FOUND);
	change_account_init(&c, 3, ACCOUNT_ENSURE);
	CHECK_ERR(change_run(p, &c.change), E_OK);
	CHECK_ERR(mbox_list(p, 3, &l), E_OK);
	REQUIRE(l.n == 6);
	CHECK_SLICE(l.rows[0].path, SL("INBOX"));
	CHECK_SLICE(l.rows[1].path, SL("Archive"));
	CHECK_INT(l.rows[1].special, STORE_SPECIAL_ARCHIVE);
	CHECK_INT(l.rows[5].special, STORE_SPECIAL_TRASH);
	CHECK(l.rows[3].subscribed);
	mbox_list_fini(&l);
	partition_close(&p);
}
