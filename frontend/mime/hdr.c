#include "frontend/mime/hdr.h"

#include "common/parse/cclass.h"

struct hdr_name {
	slice_t name;
	enum hdr_id id;
};

/* In order of length; hdr_first[n] is the first of n bytes. */
static const struct hdr_name hdr_names[] = {
	{{"To", 2}, HDR_TO},
	{{"Cc", 2}, HDR_CC},
	{{"Bcc", 3}, HDR_BCC},
	{{"From", 4}, HDR_FROM},
	{{"Date", 4}, HDR_DATE},
	{{"Sender", 6}, HDR_SENDER},
	{{"Subject", 7}, HDR_SUBJECT},
	{{"Reply-To", 8}, HDR_REPLY_TO},
	{{"Priority", 8}, HDR_PRIORITY},
	{{"Message-ID", 10}, HDR_MESSAGE_ID},
	{{"References", 10}, HDR_REFERENCES},
	{{"X-Priority", 10}, HDR_X_PRIORITY},
	{{"Importance", 10}, HDR_IMPORTANCE},
	{{"Newsgroups", 10}, HDR_NEWSGROUPS},
	{{"In-Reply-To", 11}, HDR_IN_REPLY_TO},
	{{"MIME-Version", 12}, HDR_MIME_VERSION},
};

static const struct hdr_name hdr_content[] = {
	{{"Type", 4}, HDR_CONTENT_TYPE},
	{{"Transfer-Encoding", 17}, HDR_CONTENT_TRANSFER_ENCODING},
	{{"Disposition", 11}, HDR_CONTENT_DISPOSITION},
	{{"ID", 2}, HDR_CONTENT_ID},
	{{"Description", 11}, HDR_CONTENT_DESCRIPTION},
	{{"Language", 8}, HDR_CONTENT_LANGUAGE},
	{{"Location", 8}, HDR_CONTENT_LOCATION},
	{{"MD5", 3}, HDR_CONTENT_MD5},
};

enum hdr_id hdr_id(slice_t name)
{
	char first;

	if (name.n < 2)
		return HDR_OTHER;
	first = ascii_lower(name.p[0]);
	if (first == 'c' && slice_istarts(name, SL("Content-"))) {
		slice_t rest = slice_from(name, 8);

		for (size_t i = 0; i < ARRAY_LEN(hdr_content); i++) {
			if (slice_ieq(rest, hdr_content[i].name))
				return hdr_content[i].id;
		}
		return HDR_CONTENT_OTHER;
	}
	if (first == 'l' && slice_istarts(name, SL("List-")))
		return HDR_LIST;
	for (size_t i = 0; i < ARRAY_LEN(hdr_names); i++) {
		const struct hdr_name *h = &hdr_names[i];

		if (h->name.n > name.n)
			break;
		if (h->name.n == name.n && ascii_lower(h->name.p[0]) == first &&
		    slice_ieq(name, h->name))
			return h->id;
	}
	return HDR_OTHER;
}

slice_t hdr_field_name(slice_t raw)
{
	size_t n = 0;
	size_t end;

	while (n < raw.n && cclass(raw.p[n], CC_FTEXT))
		n++;
	/* obs-optional (RFC 5322 section 4.5.8): white space before the colon. */
	for (end = n; end < raw.n && (raw.p[end] == ' ' || raw.p[end] == '\t'); end++)
		;
	if (n == 0 || end == raw.n || raw.p[end] != ':')
		return SLICE_NONE;
	return slice_sub(raw, 0, n);
}

slice_t hdr_field_body(slice_t raw)
{
	return slice_from(raw, slice_find_char(raw, ':') + 1);
}

void hdr_unfold(struct buf *out, slice_t value)
{
	value = slice_trim(value);
	while (value.n != 0) {
		size_t n = 0;

		while (n < value.n && value.p[n] != '\n' && value.p[n] != '\r' &&
		       value.p[n] != '\0')
			n++;
		buf_put(out, slice_sub(value, 0, n));
		value = slice_from(value, n + 1);
	}
}

bool hdr_iter_next(struct hdr_iter *it, slice_t *name_out, slice_t *raw_out)
{
	slice_t s = it->rest;
	size_t n = 0;

	if (s.n == 0 || s.p[0] == '\n' || slice_starts(s, SL("\r\n"))) {
		it->rest = SLICE_NONE;
		return false;
	}
	do {
		n += slice_find_char(slice_from(s, n), '\n') + 1;
	} while (n < s.n && (s.p[n] == ' ' || s.p[n] == '\t'));
	*raw_out = slice_sub(s, 0, n);
	*name_out = hdr_field_name(*raw_out);
	it->rest = slice_from(s, n);
	return true;
}
