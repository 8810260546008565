/* What is checked of the contract's messages before they become the store's structs. */
#include "backend/rpc/convert.h"

#include "proto/mail_bits.h"
#include "tests/lib/check.h"

static bool bits_ok(uint32_t content, uint32_t by, uint32_t notify)
{
	Postern__Recipient plain = POSTERN__RECIPIENT__INIT, told = plain,
			   *rcpts[] = {&plain, &told};
	Postern__OtherOwner other = POSTERN__OTHER_OWNER__INIT, *others[] = {&other};
	Postern__DeliverCommit m = POSTERN__DELIVER_COMMIT__INIT;
	enum err own, another;

	m.content = content;
	m.by = by;
	told.notify = notify;
	m.recipients = rcpts;
	m.n_recipients = 2;
	own = convert_check_bits(&m);
	m.n_recipients = 0;
	other.recipients = rcpts;
	other.n_recipients = 2;
	m.others = others;
	m.n_others = 1;
	another = convert_check_bits(&m);
	CHECK_ERR(own, another);
	CHECK(own == E_OK || own == E_INVALID);
	return own == E_OK;
}

TEST(convert_bits_that_exclude_each_other)
{
	for (uint32_t i = 0; i < 256; i++) {
		check_note("%u", i);
		CHECK_INT(bits_ok(i, 0, 0), i < 64 && (i & 12) != 12);
		CHECK_INT(bits_ok(0, i, 0), i < 8 && (i & 3) != 3);
		CHECK_INT(bits_ok(0, 0, i), i <= 8);
	}
	for (unsigned bit = 8; bit < 32; bit++)
		CHECK(!bits_ok(1u << bit, 0, 0) && !bits_ok(0, 1u << bit, 0) &&
		      !bits_ok(0, 0, 1u << bit));
}
