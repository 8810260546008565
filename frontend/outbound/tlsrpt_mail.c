#include "frontend/outbound/tlsrpt_mail.h"

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/crypto/random.h"
#include "common/parse/addr.h"
#include "common/parse/cclass.h"
#include "common/parse/date.h"
#include "frontend/mime/encode.h"
#include "frontend/rpc/call_tls.h"

#define BOUNDARY_BYTES 12

/* Who sends: the domain of the contact (section 5.3). */
static slice_t submitter(const struct tls_report *r)
{
	const char *at = r->contact.n != 0 ? memrchr(r->contact.p, '@', r->contact.n) : NULL;

	return at != NULL ? slice_from(r->contact, (size_t)(at - r->contact.p) + 1) : r->contact;
}

/* unique-id (section 5.1) has letters and digits alone. */
static void put_unique_id(const struct tls_report *r, struct buf *out)
{
	slice_t left = slice_sub(r->report_id, 0, slice_find_char(r->report_id, '@'));

	for (size_t i = 0; i < left.n; i++) {
		if (cclass(left.p[i], CC_LETDIG))
			buf_putc(out, left.p[i]);
	}
}

static void put_many(struct buf *b, const slice_t *parts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_put(b, parts[i]);
}

#define PUT(b, ...) \
	put_many((b), (const slice_t[]){__VA_ARGS__}, \
		 sizeof((const slice_t[]){__VA_ARGS__}) / sizeof(slice_t))

void tlsrpt_file_name(const struct tls_report *r, struct buf *out)
{
	PUT(out, submitter(r), SL("!"), r->domain, SL("!"));
	buf_put_u64(out, (uint64_t)MAX(r->from_s, (int64_t)0));
	buf_putc(out, '!');
	buf_put_u64(out, (uint64_t)MAX(r->to_s - 1, r->from_s));
	buf_putc(out, '!');
	put_unique_id(r, out);
	buf_puts(out, ".json.gz");
}

/* An envelope's form as a header has it. E_INVALID. */
static enum err put_address(struct buf *out, slice_t plain)
{
	const char *at = plain.n != 0 ? memrchr(plain.p, '@', plain.n) : NULL;
	size_t local_n = at != NULL ? (size_t)(at - plain.p) : 0;
	struct addr a = {0};
	struct buf b;
	enum err e;

	if (local_n == 0 || local_n > ADDR_LOCAL_MAX || plain.n - local_n - 1 > ADDR_DOMAIN_MAX)
		return E_INVALID;
	a.local_n = (uint8_t)local_n;
	a.domain_n = (uint8_t)(plain.n - local_n - 1);
	memcpy(a.local, plain.p, local_n);
	memcpy(a.domain, at + 1, a.domain_n);
	buf_init(&b, 2 * ADDR_PATH_MAX, NULL);
	addr_format(&a, &b);
	e = addr_parse(buf_slice(&b), ADDR_ASCII, &a); /* what it is made of was never parsed */
	if (e == E_OK)
		PUT(out, SL("<"), buf_slice(&b), SL(">"));
	buf_fini(&b);
	return e == E_OK ? E_OK : E_INVALID;
}

/* Section 5.3: the subject by its ABNF; the fields that say whose it is; and RFC 8689 section 5: a
 * report of TLS that fails is to arrive all the same. */
static enum err put_header(const struct tls_report *r, slice_t to, const char *boundary,
			   struct buf *out)
{
	char now[DATE_STR_MAX];
	enum err e;

	buf_puts(out, "From: ");
	e = put_address(out, r->contact);
	buf_puts(out, "\r\nTo: ");
	if (e == E_OK)
		e = put_address(out, to);
	PUT(out, SL("\r\nSubject: Report Domain: "), r->domain, SL("\r\n Submitter: "),
	    submitter(r), SL("\r\n Report-ID: <"), r->report_id, SL(">\r\n"));
	buf_printf(out, "Date: %s\r\n",
		   date_format_rfc5322((struct date){.utc_s = clock_wall_s()}, now));
	PUT(out, SL("Message-ID: <"), r->report_id, SL(">\r\nTLS-Report-Domain: "), r->domain,
	    SL("\r\nTLS-Report-Submitter: "), submitter(r), SL("\r\nTLS-Required: No\r\n"),
	    SL("Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"));
	buf_printf(out,
		   "Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n"
		   " boundary=\"%s\"\r\n\r\n",
		   boundary);
	return e;
}

static void put_words(const struct tls_report *r, struct buf *out)
{
	char from[DATE_STR_MAX], to[DATE_STR_MAX];
	struct date begin = {.utc_s = r->from_s}, end = {.utc_s = MAX(r->to_s - 1, r->from_s)};

	buf_puts(out, "Content-Type: text/plain; charset=us-ascii\r\n\r\n");
	PUT(out, SL("This is an aggregate report (RFC 8460) of TLS with the mail servers of\r\n"),
	    r->domain, SL(",\r\nas "), submitter(r), SL(" has seen it"));
	buf_printf(out, "\r\nfrom %s\r\nto   %s.\r\n", date_format_rfc5322(begin, from),
		   date_format_rfc5322(end, to));
}

static void put_file(const struct tls_report *r, slice_t gz, struct buf *out)
{
	struct encode_b64 b64;

	buf_puts(out, "Content-Type: application/tlsrpt+gzip\r\n"
		      "Content-Transfer-Encoding: base64\r\n"
		      "Content-Disposition: attachment;\r\n filename=\"");
	tlsrpt_file_name(r, out);
	buf_puts(out, "\"\r\n\r\n");
	encode_b64_init(&b64);
	encode_b64_put(&b64, out, gz);
	encode_b64_end(&b64, out);
}

enum err tlsrpt_mail(const struct tls_report *r, slice_t to, slice_t gz, struct buf *out)
{
	unsigned char drawn[BOUNDARY_BYTES];
	char boundary[2 + 2 * BOUNDARY_BYTES + 1] = "=_";
	struct buf hex;
	enum err e;

	random_bytes(drawn, sizeof drawn);
	buf_init(&hex, 2 * sizeof drawn, NULL);
	hex_encode(&hex, slice(drawn, sizeof drawn));
	memcpy(boundary + 2, hex.p, hex.n);
	buf_fini(&hex);
	e = put_header(r, to, boundary, out);
	buf_printf(out, "--%s\r\n", boundary);
	put_words(r, out);
	buf_printf(out, "\r\n--%s\r\n", boundary);
	put_file(r, gz, out);
	buf_printf(out, "\r\n--%s--\r\n", boundary);
	if (e != E_OK)
		return e;
	return buf_failed(out) ? E_TOO_BIG : E_OK;
}
