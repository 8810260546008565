#include "common/parse/cclass.h"

#define SET_UPPER(c)  ((c) >= 'A' && (c) <= 'Z')
#define SET_LOWER(c)  ((c) >= 'a' && (c) <= 'z')
#define SET_ALPHA(c)  (SET_UPPER(c) || SET_LOWER(c))
#define SET_DIGIT(c)  ((c) >= '0' && (c) <= '9')
#define SET_LETDIG(c) (SET_ALPHA(c) || SET_DIGIT(c))
#define SET_HEX(c)    (SET_DIGIT(c) || ((c) >= 'A' && (c) <= 'F') || ((c) >= 'a' && (c) <= 'f'))
#define SET_CTL(c)    ((c) < 32 || (c) == 127)
#define SET_VCHAR(c)  ((c) > 32 && (c) < 127)
#define SET_TSPECIAL(c) \
	((c) == '(' || (c) == ')' || (c) == '<' || (c) == '>' || (c) == '@' || (c) == ',' || \
	 (c) == ';' || (c) == ':' || (c) == '\\' || (c) == '"' || (c) == '/' || (c) == '[' || \
	 (c) == ']' || (c) == '?' || (c) == '=')
#define SET_ATEXT(c) \
	(SET_LETDIG(c) || (c) == '!' || (c) == '#' || (c) == '$' || (c) == '%' || (c) == '&' || \
	 (c) == '\'' || (c) == '*' || (c) == '+' || (c) == '-' || (c) == '/' || (c) == '=' || \
	 (c) == '?' || (c) == '^' || (c) == '_' || (c) == '`' || (c) == '{' || (c) == '|' || \
	 (c) == '}' || (c) == '~')
#define SET_IMAP_ATOM(c) \
	(SET_VCHAR(c) && (c) != '(' && (c) != ')' && (c) != '{' && (c) != '%' && (c) != '*' && \
	 (c) != '"' && (c) != '\\' && (c) != ']')

#define CLASS(c) \
	((SET_ALPHA(c) ? CC_ALPHA : 0) | (SET_DIGIT(c) ? CC_DIGIT : 0) | \
	 (SET_HEX(c) ? CC_HEX : 0) | ((c) == ' ' || (c) == '\t' ? CC_WSP : 0) | \
	 (SET_CTL(c) ? CC_CTL : 0) | (SET_ATEXT(c) ? CC_ATEXT : 0) | \
	 ((c) >= 32 && (c) < 127 && (c) != '"' && (c) != '\\' ? CC_QTEXT : 0) | \
	 (SET_VCHAR(c) && (c) != '(' && (c) != ')' && (c) != '\\' ? CC_CTEXT : 0) | \
	 (SET_VCHAR(c) && (c) != '[' && (c) != ']' && (c) != '\\' ? CC_DTEXT : 0) | \
	 (SET_TSPECIAL(c) ? CC_TSPECIAL : 0) | (SET_VCHAR(c) && !SET_TSPECIAL(c) ? CC_TOKEN : 0) | \
	 (SET_VCHAR(c) && (c) != ':' ? CC_FTEXT : 0) | (SET_IMAP_ATOM(c) ? CC_IMAP_ATOM : 0) | \
	 (SET_IMAP_ATOM(c) || (c) == ']' ? CC_IMAP_ASTRING : 0) | \
	 (SET_IMAP_ATOM(c) || (c) == ']' || (c) == '%' || (c) == '*' ? CC_IMAP_LIST : 0) | \
	 ((SET_IMAP_ATOM(c) || (c) == ']') && (c) != '+' ? CC_IMAP_TAG : 0) | \
	 (SET_LETDIG(c) ? CC_LETDIG : 0) | (SET_LETDIG(c) || (c) == '-' ? CC_LDH : 0) | \
	 ((c) >= 128 ? CC_UTF8 : 0) | (SET_VCHAR(c) && (c) != '=' ? CC_ESMTP_VALUE : 0) | \
	 (SET_VCHAR(c) && (c) != '+' && (c) != '=' ? CC_XCHAR : 0) | \
	 (SET_VCHAR(c) ? CC_VCHAR : 0))

#define ROW4(c)  CLASS(c), CLASS((c) + 1), CLASS((c) + 2), CLASS((c) + 3)
#define ROW16(c) ROW4(c), ROW4((c) + 4), ROW4((c) + 8), ROW4((c) + 12)
#define ROW64(c) ROW16(c), ROW16((c) + 16), ROW16((c) + 32), ROW16((c) + 48)

const uint32_t cclass_table[256] = {ROW64(0), ROW64(64), ROW64(128), ROW64(192)};
