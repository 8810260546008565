/* ATRN (RFC 2645) up to where roles turn: what there is at its port, and what is refused. */
#include "common/loop/fiber.h"
#include "tests/unit/frontend/smtp/smtp_lib.h"

TEST_FIBER(atrn_port)
{
	static const char *const others[] = {"MAIL FROM:<alice@example.org>",
					     "RCPT TO:<bob@example.org>",
					     "DATA",
					     "BDAT 0 LAST",
					     "EXPN x",
					     "ETRN example.org",
					     "LHLO x"};
	bool atrn = false, other = false;
	struct wire w;

	mx_open(&w, PORT_ODMR);
	ASK(&w, NULL, "220 mx.example.org ESMTP");
	ASK(&w, "ATRN", "530 5.7.0");
	ASK(&w, "EHLO customer.example", "250");
	ASK(&w, "ATRN example.org", "530 5.7.0"); /* section 5.2.1 */
	ASK(&w, "AUTH PLAIN AGFsaWNlAHNlY3JldA==", "538 5.7.11");
	smtp_tls(&w);
	wire_send(&w, SL("EHLO customer.example\r\n"));
	do {
		REQUIRE(wire_line(&w) == E_OK);
		atrn = atrn || strstr(w.line, "ATRN") != NULL;
		other = other || strstr(w.line, "SIZE") != NULL ||
			strstr(w.line, "REQUIRETLS") != NULL || strstr(w.line, "DSN") != NULL;
	} while (w.line[3] == '-');
	CHECK(atrn && !other);
	ASK(&w, "AUTH PLAIN AGFsaWNlAHNlY3JldA==", "235 2.7.0");
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		ASK(&w, others[i], i < 5 ? "502 " : "500 ");
	ASK(&w, "RSET", "250 ");
	ASK(&w, "QUIT", "221 ");
	mx_close(&w);
}

TEST_FIBER(atrn_refusals)
{
	struct wire w;

	mx_open(&w, PORT_ODMR);
	ASK(&w, NULL, "220 ");
	smtp_login(&w);
	ASK(&w, "ATRN a.test b.test", "501 ");
	ASK(&w, "ATRN example.org", "451 4.3.0"); /* no back-end is there */
	ASK(&w, "ATRN", "451 4.3.0");
	/* Whose bytes come before the answer is no server. */
	wire_send(&w, SL("ATRN\r\n220 customer.example\r\n"));
	ASK(&w, NULL, "503 5.5.0");
	CHECK(wire_is_closed(&w));
	mx_close(&w);
	mx_open(&w, PORT_587);
	ASK(&w, NULL, "220 ");
	smtp_login(&w);
	ASK(&w, "ATRN", "500 ");
	mx_close(&w);
}
