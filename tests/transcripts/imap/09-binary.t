# RFC 3516; RFC 9051 sections 6.4.5 and 7.5.2 of BINARY; RFC 7888 section 8 of literal8.

== any bytes in, and out again
1 open imaps tls
1<* * OK {.*}
1> a LOGIN $user4 $password4
1< a OK [CAPABILITY {.* BINARY.*}] {.*}
1> b CREATE $unique
1< b OK {.*}
1> c APPEND $unique ~{205}
1< + {.*}
1>! Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: binary\r\n\r\na\0b\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--b\r\nContent-Transfer-Encoding: x-y\r\n\r\nz\r\n--b--\r\n
1>! \r\n
1< c OK [APPENDUID {\d+} 1] {.*}
1> d APPEND $unique () "01-Jan-2000 12:00:00 +0100" ~{205+}
1>! Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: binary\r\n\r\na\0b\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--b\r\nContent-Transfer-Encoding: x-y\r\n\r\nz\r\n--b--\r\n\r\n
1< d OK [APPENDUID {\d+} 2] {.*}
1> e SELECT $unique
1<* e OK {.*}
1> f FETCH 1:2 BINARY.PEEK[1]
1< * 1 FETCH (BINARY[1] ~\x7b3\x7d
1< a\0b)
1< * 2 FETCH (BINARY[1] ~\x7b3\x7d
1< a\0b)
1< f OK {.*}
1> g FETCH 1 (BINARY.SIZE[2] BINARY.PEEK[2] BODY.PEEK[2])
1< * 1 FETCH (BINARY.SIZE[2] 5 BINARY[2] \x7b5\x7d
1< hello BODY[2] \x7b8\x7d
1< aGVsbG8=)
1< g OK {.*}
1> h FETCH 1 (BINARY.PEEK[2]<1.3> BINARY.PEEK[1]<1.1> BINARY.PEEK[1]<2.100>)
1< * 1 FETCH (BINARY[2]<1> \x7b3\x7d
1< ell BINARY[1]<1> ~\x7b1\x7d
1< \0 BINARY[1]<2> \x7b1\x7d
1< b)
1< h OK {.*}
1> i FETCH 1 BINARY.PEEK[3]
1< i NO [UNKNOWN-CTE] {.*}
1> j UID FETCH 1 BINARY.SIZE[3]
1< * 1 FETCH (UID 1)
1< j NO [UNKNOWN-CTE] {.*}
1> k FETCH 1 (BINARY.PEEK[4] BINARY.SIZE[4])
1< * 1 FETCH (BINARY[4] NIL BINARY.SIZE[4] 0)
1< k OK {.*}
1> l FETCH 1 BINARY.SIZE[]
1< * 1 FETCH (BINARY.SIZE[] 205)
1< l OK {.*}
1> m FETCH 1 BINARY[2]<0.1>
1< * 1 FETCH (FLAGS (\\Seen \\Recent) BINARY[2]<0> \x7b1\x7d
1< h)
1< m OK {.*}
1> n DELETE $unique
1< n OK {.*}
1 close

== what is refused
1 open imaps tls
1<* * OK {.*}
1> a LOGIN $user4 $password4
1< a OK {.*}
1> b CREATE $unique
1< b OK {.*}
1> c SELECT $unique
1<* c OK {.*}
1> d APPEND $unique {10+}
1>! A: b\r\n\r\na\0\r\n
1< d NO [CANNOT] {.*}
1> e APPEND $unique ~{9+}
1>! A: \0\r\n\r\nb\r\n
1< e NO [CANNOT] {.*}
1> f APPEND $unique ~{99999999999}
1< f NO [TOOBIG] {.*}
1> g APPEND nowhere ~{4+}
1>! A: b\r\n
1< g NO [TRYCREATE] {.*}
1> h APPEND $unique ~{4+}
1>! abcdtrailing\r\n
1< h BAD {.*}
1> i APPEND ~{6+}
1>! nobody\r\n
1< i BAD {.*}
1> j SEARCH SUBJECT ~{1+}
1>! a\r\n
1< j BAD {.*}
1> k FETCH 1 BINARY[HEADER]
1< k BAD {.*}
1> l FETCH 1 BINARY.SIZE[1]<0.1>
1< l BAD {.*}
1> m STATUS $unique (MESSAGES)
1< * STATUS $unique (MESSAGES 0)
1< m OK {.*}
1> n DELETE $unique
1< n OK {.*}
1 close
