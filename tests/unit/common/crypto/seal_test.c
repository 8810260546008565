#include "common/crypto/seal.h"

#include "tests/lib/check.h"

TEST(seal_round_trip_and_tampering)
{
	struct seal_key k, other;
	struct buf box, plain;
	uint32_t id;

	seal_key_make(0xdeadbeef, &k);
	seal_key_make(0xdeadbeef, &other);
	buf_init(&box, 4096, NULL);
	buf_init(&plain, 4096, NULL);
	seal_box(&k, SL("fe1/imap"), SL("account 42"), &box);
	CHECK_INT(box.n, 10 + SEAL_OVERHEAD);
	CHECK_ERR(seal_key_id(buf_slice(&box), &id), E_OK);
	CHECK_INT(id, 0xdeadbeef);
	CHECK_ERR(seal_open(&k, SL("fe1/imap"), buf_slice(&box), &plain), E_OK);
	CHECK_SLICE(buf_slice(&plain), SL("account 42"));

	CHECK_ERR(seal_open(&k, SL("fe2/imap"), buf_slice(&box), &plain), E_INVALID);
	CHECK_ERR(seal_open(&other, SL("fe1/imap"), buf_slice(&box), &plain), E_INVALID);
	for (size_t i = 0; i < box.n; i++) {
		box.p[i] ^= 0x40;
		CHECK_ERR(seal_open(&k, SL("fe1/imap"), buf_slice(&box), &plain), E_INVALID);
		box.p[i] ^= 0x40;
	}
	for (size_t cut = 0; cut < box.n; cut++)
		CHECK_ERR(seal_open(&k, SL("fe1/imap"), slice_sub(buf_slice(&box), 0, cut), &plain),
			  E_INVALID);
	CHECK_SLICE(buf_slice(&plain), SL("account 42"));
	buf_fini(&box);
	buf_fini(&plain);
}

TEST(seal_boxes_differ_and_empty_works)
{
	struct seal_key k;
	struct buf a, b, plain;

	seal_key_make(1, &k);
	buf_init(&a, 256, NULL);
	buf_init(&b, 256, NULL);
	buf_init(&plain, 0, NULL);
	seal_box(&k, SLICE_NONE, SLICE_NONE, &a);
	seal_box(&k, SLICE_NONE, SLICE_NONE, &b);
	CHECK_INT(a.n, SEAL_OVERHEAD);
	CHECK(!slice_eq(buf_slice(&a), buf_slice(&b)));
	CHECK_ERR(seal_open(&k, SLICE_NONE, buf_slice(&a), &plain), E_OK);
	CHECK(!buf_failed(&plain));

	buf_reset(&a);
	seal_box(&k, SLICE_NONE, SL("x"), &a);
	CHECK_ERR(seal_open(&k, SLICE_NONE, buf_slice(&a), &plain), E_LIMIT);
	buf_fini(&a);
	buf_fini(&b);

	buf_init(&a, SEAL_OVERHEAD, NULL);
	seal_box(&k, SLICE_NONE, SL("x"), &a);
	CHECK(buf_failed(&a));
	buf_fini(&a);
}

TEST(node_boxes)
{
	static const uint8_t low_order[NODE_KEY_LEN];
	struct node_key k, same, other;
	struct buf box, plain;

	node_key_make(&k);
	node_key_make(&other);
	node_key_from_secret(k.secret_key, &same);
	CHECK_SLICE(slice(same.public_key, NODE_KEY_LEN), slice(k.public_key, NODE_KEY_LEN));
	buf_init(&box, 4096, NULL);
	buf_init(&plain, 4096, NULL);
	CHECK_ERR(node_box(k.public_key, SL("ticket key"), &box), E_OK);
	CHECK_INT(box.n, 10 + NODE_BOX_OVERHEAD);
	CHECK_ERR(node_box_open(&other, buf_slice(&box), &plain), E_INVALID);
	CHECK_ERR(node_box_open(&same, buf_slice(&box), &plain), E_OK);
	CHECK_SLICE(buf_slice(&plain), SL("ticket key"));
	for (size_t i = 0; i < box.n; i++) {
		box.p[i] ^= 1;
		CHECK_ERR(node_box_open(&k, buf_slice(&box), &plain), E_INVALID);
		box.p[i] ^= 1;
	}
	for (size_t cut = 0; cut < box.n; cut++)
		CHECK_ERR(node_box_open(&k, slice_sub(buf_slice(&box), 0, cut), &plain), E_INVALID);
	CHECK_ERR(node_box(low_order, SL("x"), &box), E_INVALID);
	buf_fini(&box);
	buf_init(&box, NODE_BOX_OVERHEAD, NULL);
	CHECK_ERR(node_box(k.public_key, SL("x"), &box), E_LIMIT);
	buf_fini(&box);
	buf_fini(&plain);
}
