/*
 * common/parse: hand-written readers over slices, for grammars that both sides need. (Mail's own
 * grammar, MIME, is not here: only front-ends read it.)
 *
 *   cclass    a class table of the 256 bytes
 *   cursor    the reader: takes what matches, within a limit, or leaves the cursor where it was
 *   addr      addresses of RFC 5321 and of RFC 5322 headers; addr_list: lists of them
 *   idn       domain names with non-ASCII labels
 *   date      dates of RFC 5322 and RFC 3501
 *   uaddr     addresses in Unicode, escaped (RFC 6533)
 *   dkim_sig  the frame of the DKIM-Signature fields that we make
 *   json      JSON as tokens, bounded
 *
 * All of it is attacker's input. Rules: a reader advances only on success; every repetition has a
 * limit in the parser itself; nesting is counted, never recursed; a function says in its header
 * which ABNF it reads.
 */
#ifndef COMMON_PARSE_CCLASS_H
#define COMMON_PARSE_CCLASS_H

#include "common/base/base.h"

enum {
	CC_ALPHA = 1 << 0,
	CC_DIGIT = 1 << 1,
	CC_HEX = 1 << 2,
	CC_WSP = 1 << 3,           /* SP HT */
	CC_CTL = 1 << 4,           /* 0..31, 127 */
	CC_ATEXT = 1 << 5,         /* RFC 5322 3.2.3 */
	CC_QTEXT = 1 << 6,         /* RFC 5321 4.1.2 qtextSMTP: 32-126 without " and \ */
	CC_CTEXT = 1 << 7,         /* RFC 5322 3.2.2: visible, without ( ) \ */
	CC_DTEXT = 1 << 8,         /* RFC 5321 4.1.3 dcontent: visible, without [ \ ] */
	CC_TSPECIAL = 1 << 9,      /* RFC 2045 5.1 */
	CC_TOKEN = 1 << 10,        /* RFC 2045 5.1 token */
	CC_FTEXT = 1 << 11,        /* RFC 5322 3.6.8: header field names */
	CC_IMAP_ATOM = 1 << 12,    /* RFC 3501 9 ATOM-CHAR */
	CC_IMAP_ASTRING = 1 << 13, /* ATOM-CHAR and "]" */
	CC_IMAP_LIST = 1 << 14,    /* list-char: ATOM-CHAR, % * ] */
	CC_IMAP_TAG = 1 << 15,     /* ASTRING-CHAR without "+" */
	CC_LETDIG = 1 << 16,       /* RFC 5321 4.1.2 Let-dig */
	CC_LDH = 1 << 17,          /* letters, digits, hyphen */
	CC_UTF8 = 1 << 18,         /* 0x80..0xff: part of a UTF-8 sequence, if the whole is valid */
	CC_ESMTP_VALUE = 1 << 19,  /* RFC 5321 4.1.2 esmtp-value: 33-126 without "=" */
	CC_XCHAR = 1 << 20,        /* RFC 3461 4: 33-126 without "+" and "=" */
	CC_VCHAR = 1 << 21,        /* 33-126 */
};

extern const uint32_t cclass_table[256];

static inline bool cclass(char c, uint32_t classes)
{
	return (cclass_table[(unsigned char)c] & classes) != 0;
}

#endif
