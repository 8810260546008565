#include "frontend/smtp/smtp_tx.h"

#include "tests/unit/frontend/smtp/smtp_lib.h"

struct bed {
	struct session session;
	struct smtp_tx tx;
	struct smtp_rcpt_args rcpt;
};

static void bed_init(struct bed *b)
{
	struct smtp_mail_args m;

	memset(b, 0, sizeof *b);
	budget_init(&b->session.budget, SMTP_TX_MEMORY, NULL);
	CHECK_INT(smtp_parse_mail(SL("FROM:<x@far.example>"), SMTP_PARAMS, &m), SAY_NOTHING);
	CHECK_INT(smtp_parse_rcpt(SL("TO:<a@example.org>"), SMTP_PARAMS, ADDR_ASCII, &b->rcpt),
		  SAY_NOTHING);
	smtp_tx_begin(&b->tx, &b->session, &m);
}

static WAITS void bed_fini(struct bed *b)
{
	smtp_tx_reset(&b->tx);
	budget_fini(&b->session.budget);
}

static struct deliver_target target(uint32_t partition)
{
	return (struct deliver_target){SL("token"), SL("be1"), partition, false};
}

/* The owners of one message are limited; what did not fit leaves no trace. */
TEST_FIBER(tx_owners)
{
	struct deliver_target two[2];
	struct bed b;

	bed_init(&b);
	for (uint32_t i = 0; i < SMTP_OWNERS_MAX - 1; i++) {
		struct deliver_target t = target(i);

		CHECK_ERR(smtp_tx_add(&b.tx, &b.rcpt, &t, 1), E_OK);
	}
	two[0] = target(1000);
	two[1] = target(1001);
	CHECK_ERR(smtp_tx_add(&b.tx, &b.rcpt, two, 2), E_LIMIT);
	CHECK_INT(b.tx.nowners, SMTP_OWNERS_MAX - 1);
	CHECK_INT(b.tx.nrcpts, SMTP_OWNERS_MAX - 1);
	CHECK_ERR(smtp_tx_add(&b.tx, &b.rcpt, two, 1), E_OK);
	two[0] = target(0);
	CHECK_ERR(smtp_tx_add(&b.tx, &b.rcpt, two, 1), E_OK); /* one that is there has room */
	CHECK_INT(b.tx.owners[0].deliver.group.n, 2);
	CHECK_INT(b.tx.nowners, SMTP_OWNERS_MAX);
	bed_fini(&b);
}

TEST_FIBER(tx_recipients_of_an_owner)
{
	struct deliver_target t[2] = {target(5), target(5)};
	struct bed b;

	bed_init(&b);
	for (size_t i = 0; i < SMTP_OWNER_RCPTS_MAX - 1; i++)
		CHECK_ERR(smtp_tx_add(&b.tx, &b.rcpt, t, 1), E_OK);
	CHECK_ERR(smtp_tx_add(&b.tx, &b.rcpt, t, 2), E_LIMIT);
	CHECK_ERR(smtp_tx_add(&b.tx, &b.rcpt, t, 1), E_OK);
	CHECK_ERR(smtp_tx_add(&b.tx, &b.rcpt, t, 1), E_LIMIT);
	CHECK_INT(b.tx.owners[0].deliver.group.n, SMTP_OWNER_RCPTS_MAX);
	for (size_t i = 0; i < SMTP_OWNER_RCPTS_MAX; i++)
		CHECK_SLICE(b.tx.owners[0].rcpts[i].token, SL("token"));
	bed_fini(&b);
}

/* What a transaction may keep is bounded by its session's budget. */
TEST_FIBER(tx_memory)
{
	struct deliver_target t = target(5);
	struct bed b;
	enum err e = E_OK;

	bed_init(&b);
	b.session.budget.max = SESSION_MEMORY_SMALL;
	for (size_t i = 0; i < SMTP_OWNER_RCPTS_MAX && e == E_OK; i++)
		e = smtp_tx_add(&b.tx, &b.rcpt, &t, 1);
	CHECK_ERR(e, E_LIMIT);
	bed_fini(&b);
}

/* Each RCPT command's own result, whatever its targets are. */
TEST_FIBER(tx_answers)
{
	enum err zero[] = {E_QUOTA, E_OK, E_QUOTA, E_QUOTA}, one[] = {E_NOT_FOUND, E_RETRY};
	struct deliver_target two[2] = {target(0), target(1)}, same[2] = {target(0), target(0)};
	struct bed b;

	bed_init(&b);
	smtp_tx_tell_each(&b.tx);
	CHECK_ERR(smtp_tx_add(&b.tx, &b.rcpt, &two[0], 1), E_OK);
	CHECK_ERR(smtp_tx_add(&b.tx, &b.rcpt, same, 2), E_OK);
	CHECK_ERR(smtp_tx_add(&b.tx, &b.rcpt, &two[1], 1), E_OK);
	CHECK_ERR(smtp_tx_add(&b.tx, &b.rcpt, two, 2), E_OK);
	CHECK(b.tx.owners[0].rcpts[0].told && b.tx.owners[1].rcpts[0].told);
	CHECK(!b.tx.owners[0].rcpts[1].told && !b.tx.owners[1].rcpts[1].told);
	b.tx.owners[0].results = zero;
	CHECK_ERR(smtp_tx_result(&b.tx, 0), E_QUOTA);
	CHECK_ERR(smtp_tx_result(&b.tx, 1), E_OK); /* one of two was taken */
	CHECK_ERR(smtp_tx_result(&b.tx, 2), E_OK); /* the lead's queue has it */
	CHECK_ERR(smtp_tx_result(&b.tx, 3), E_OK);
	b.tx.owners[1].results = one;
	CHECK_ERR(smtp_tx_result(&b.tx, 2), E_NOT_FOUND);
	CHECK_ERR(smtp_tx_result(&b.tx, 3), E_RETRY);
	bed_fini(&b);
	/* Beyond the room for answers. */
	bed_init(&b);
	smtp_tx_tell_each(&b.tx);
	for (unsigned i = 0; i < SMTP_ANSWERS_MAX; i++) {
		struct deliver_target t = target(i % 2);

		CHECK_ERR(smtp_tx_add(&b.tx, &b.rcpt, &t, 1), E_OK);
	}
	CHECK_ERR(smtp_tx_add(&b.tx, &b.rcpt, &two[0], 1), E_LIMIT);
	CHECK_INT(b.tx.nrcpts, SMTP_ANSWERS_MAX);
	bed_fini(&b);
}
