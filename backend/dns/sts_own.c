#include "backend/dns/sts_own.h"

#include "common/base/codec.h"
#include "common/crypto/digest.h"

void sts_own_text(enum dir_mta_sts mode, uint32_t age_s, const slice_t *hosts, size_t n,
		  struct buf *out)
{
	buf_printf(out, "version: STSv1\r\nmode: %s\r\n", dir_mta_sts_name(mode));
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "mx: %.*s\r\n", (int)hosts[i].n, hosts[i].p);
	buf_printf(out, "max_age: %u\r\n", age_s);
}

void sts_own_id(slice_t text, char out[STS_OWN_ID_STR])
{
	uint8_t digest[SHA256_LEN];
	struct buf hex;

	sha256(text, digest);
	buf_init(&hex, STS_OWN_ID_STR, NULL);
	hex_encode(&hex, slice(digest, (STS_OWN_ID_STR - 1) / 2));
	invariant(slice_to_str(buf_slice(&hex), out, STS_OWN_ID_STR));
	buf_fini(&hex);
}

const char *sts_own_fault(slice_t record, slice_t id)
{
	while (record.n != 0) {
		size_t end = slice_find_char(record, ';');
		slice_t field = slice_trim(slice_sub(record, 0, end));

		record = slice_from(record, end + 1);
		if (slice_starts(field, SL("id=")))
			return slice_eq(slice_from(field, 3), id)
				       ? NULL
				       : "another policy's: nobody looks at the one of now";
	}
	return "there is no id=";
}
