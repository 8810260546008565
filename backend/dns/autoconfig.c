#include "backend/dns/autoconfig.h"

#include <stdio.h>

/* Character data, and values between '"' (XML 1.0 sections 2.4 and 2.3). */
static void put_escaped(struct buf *out, slice_t s)
{
	for (size_t i = 0; i < s.n; i++) {
		switch (s.p[i]) {
		case '&':
			buf_puts(out, "&amp;");
			break;
		case '<':
			buf_puts(out, "&lt;");
			break;
		case '>':
			buf_puts(out, "&gt;");
			break;
		case '"':
			buf_puts(out, "&quot;");
			break;
		default:
			buf_putc(out, s.p[i]);
		}
	}
}

static void put_element(struct buf *out, const char *indent, const char *name, slice_t text)
{
	buf_printf(out, "%s<%s>", indent, name);
	put_escaped(out, text);
	buf_printf(out, "</%s>\n", name);
}

/* The password is in clear within TLS alone. */
static void put_server(struct buf *out, const char *element, const char *type, slice_t host,
		       unsigned port)
{
	static const char indent[] = "      ";
	char number[8];

	snprintf(number, sizeof number, "%u", port);
	buf_printf(out, "    <%s type=\"%s\">\n", element, type);
	put_element(out, indent, "hostname", host);
	put_element(out, indent, "port", slice_str(number));
	put_element(out, indent, "socketType", SL("SSL"));
	put_element(out, indent, "authentication", SL("password-cleartext"));
	put_element(out, indent, "username", SL("%EMAILADDRESS%"));
	buf_printf(out, "    </%s>\n", element);
}

void autoconfig_text(slice_t domain, slice_t host, struct buf *out)
{
	buf_puts(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		      "<clientConfig version=\"1.1\">\n  <emailProvider id=\"");
	put_escaped(out, domain);
	buf_puts(out, "\">\n");
	put_element(out, "    ", "domain", domain);
	put_element(out, "    ", "displayName", domain);
	put_element(out, "    ", "displayShortName", domain);
	put_server(out, "incomingServer", "imap", host, CLIENT_IMAPS_PORT);
	put_server(out, "outgoingServer", "smtp", host, CLIENT_SUBMISSIONS_PORT);
	buf_puts(out, "  </emailProvider>\n</clientConfig>\n");
}
