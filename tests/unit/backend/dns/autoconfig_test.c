/* The document by the letter, and names that are markup are none. */
#include "backend/dns/autoconfig.h"

#include "common/parse/idn.h"
#include "tests/lib/check.h"

TEST(autoconfig_by_the_letter)
{
	struct buf text;

	buf_init(&text, AUTOCONFIG_TEXT_MAX, NULL);
	autoconfig_text(SL("our.test"), SL("mx1.our.test"), &text);
	CHECK_SLICE(buf_slice(&text),
		    SL("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		       "<clientConfig version=\"1.1\">\n"
		       "  <emailProvider id=\"our.test\">\n"
		       "    <domain>our.test</domain>\n"
		       "    <displayName>our.test</displayName>\n"
		       "    <displayShortName>our.test</displayShortName>\n"
		       "    <incomingServer type=\"imap\">\n"
		       "      <hostname>mx1.our.test</hostname>\n"
		       "      <port>993</port>\n"
		       "      <socketType>SSL</socketType>\n"
		       "      <authentication>password-cleartext</authentication>\n"
		       "      <username>%EMAILADDRESS%</username>\n"
		       "    </incomingServer>\n"
		       "    <outgoingServer type=\"smtp\">\n"
		       "      <hostname>mx1.our.test</hostname>\n"
		       "      <port>465</port>\n"
		       "      <socketType>SSL</socketType>\n"
		       "      <authentication>password-cleartext</authentication>\n"
		       "      <username>%EMAILADDRESS%</username>\n"
		       "    </outgoingServer>\n"
		       "  </emailProvider>\n"
		       "</clientConfig>\n"));
	buf_fini(&text);
}

TEST(autoconfig_escapes)
{
	struct buf text;

	buf_init(&text, AUTOCONFIG_TEXT_MAX, NULL);
	autoconfig_text(SL("\"><a&b"), SL("</hostname>"), &text);
	CHECK(slice_find(buf_slice(&text), SL("id=\"&quot;&gt;&lt;a&amp;b\"")) < text.n);
	CHECK(slice_find(buf_slice(&text), SL("<hostname>&lt;/hostname&gt;</hostname>")) < text.n);
	CHECK(slice_find(buf_slice(&text), SL("<a&b")) == text.n);
	buf_fini(&text);
}

TEST(autoconfig_of_the_longest_names_fits)
{
	char name[DOMAIN_MAX + 1];
	struct buf text;

	memset(name, 'a', DOMAIN_MAX);
	name[DOMAIN_MAX] = '\0';
	buf_init(&text, AUTOCONFIG_TEXT_MAX, NULL);
	autoconfig_text(slice_str(name), slice_str(name), &text);
	CHECK(!buf_failed(&text));
	buf_fini(&text);
}
