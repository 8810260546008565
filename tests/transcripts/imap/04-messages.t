# RFC 3501 sections 6.3.11, 6.4; RFC 4315, RFC 6851, RFC 7888, RFC 4731.

== a message in, and every way to see it
1 open imaps tls
1<* * OK {.*}
1> a LOGIN $user1 $password1
1< a OK {.*}
1> b CREATE $unique
1< b OK {.*}
1> c APPEND $unique (\\Seen kw) "01-Jan-2000 12:00:00 +0100" {66}
1< + {.*}
1> From: a@b.example
1> Subject: Hello
1> X-Other: yes
1>
1> first
1> second
1>
1< c OK [APPENDUID {validity=\d+} 1] {.*}
1> d SELECT $unique
1< * FLAGS ({.*}kw)
1< * OK [PERMANENTFLAGS ({.*}\\*)] {.*}
1< * 1 EXISTS
1< * 1 RECENT
1< * OK [UIDVALIDITY $validity] {.*}
1< * OK [UIDNEXT 2] {.*}
1< d OK [READ-WRITE] {.*}
1> e FETCH 1 (UID FLAGS INTERNALDATE RFC822.SIZE)
1< * 1 FETCH (UID 1 FLAGS (\\Seen kw \\Recent) INTERNALDATE "{0| }1-Jan-2000 11:00:00 +0000" RFC822.SIZE 66)
1< e OK {.*}
1> f FETCH 1 BODY[TEXT]
1< * 1 FETCH (BODY[TEXT] \x7b15\x7d
1< first
1< second
1< )
1< f OK {.*}
1> g FETCH 1 BODY.PEEK[HEADER.FIELDS (X-Other)]
1< * 1 FETCH (BODY[HEADER.FIELDS (X-Other)] \x7b16\x7d
1< X-Other: yes
1<
1< )
1< g OK {.*}
1> h UID FETCH 1 BODY.PEEK[]<6.11>
1< * 1 FETCH (UID 1 BODY[]<6> \x7b11\x7d
1< a@b.example)
1< h OK {.*}
1> i FETCH 1 (ENVELOPE)
1< * 1 FETCH (ENVELOPE (NIL "Hello" ((NIL NIL "a" "b.example")) ((NIL NIL "a" "b.example")) ((NIL NIL "a" "b.example")) NIL NIL NIL NIL NIL))
1< i OK {.*}
1> j FETCH 1 BODY[2]
1< * 1 FETCH (BODY[2] NIL)
1< j OK {.*}
1> k FETCH 2 FLAGS
1< k BAD {.*}
1> l UID FETCH 2:10 FLAGS
1< l OK {.*}
1> m UNSELECT
1< m OK {.*}
1> n DELETE $unique
1< n OK {.*}
1 close

== APPEND that is refused
1 open imaps tls
1<* * OK {.*}
1> a LOGIN $user1 $password1
1< a OK {.*}
1> b APPEND nowhere {5+}
1> abcde
1< b NO [TRYCREATE] {.*}
1> c APPEND INBOX {99999999999}
1< c NO [TOOBIG] {.*}
1> d APPEND INBOX (\\Foo) {5}
1< d BAD {.*}
1> e APPEND INBOX {5+}
1> abcdetrailing
1< e BAD {.*}
1> f NOOP
1< f OK {.*}
1 close

== store, search, copy, move, expunge
1 open imaps tls
1<* * OK {.*}
1> a LOGIN $user1 $password1
1< a OK {.*}
1> b CREATE $unique
1< b OK {.*}
1> c CREATE $unique/to
1< c OK {.*}
1> d APPEND $unique {14+}
1> Subject: one
1>
1< d OK {.*}
1> e APPEND $unique {14+}
1> Subject: two
1>
1< e OK {.*}
1> f APPEND $unique {16+}
1> Subject: three
1>
1< f OK {.*}
1> g SELECT $unique
1<* g OK {.*}
1> h STORE 1:2 +FLAGS (\\Flagged word)
1<* * 1 FETCH (UID 1 FLAGS (\\Flagged word \\Recent))
1< * 2 FETCH (UID 2 FLAGS (\\Flagged word \\Recent))
1< h OK {.*}
1> i STORE 2 -FLAGS.SILENT \\Flagged
1< i OK {.*}
1> j SEARCH FLAGGED
1< * SEARCH 1
1< j OK {.*}
1> k UID SEARCH OR SUBJECT thr KEYWORD word NOT 1
1< * SEARCH 2 3
1< k OK {.*}
1> l SEARCH RETURN (MIN MAX COUNT ALL) ALL
1< * ESEARCH (TAG "l") MIN 1 MAX 3 COUNT 3 ALL 1:3
1< l OK {.*}
1> m SEARCH CHARSET KLINGON ALL
1< m NO [BADCHARSET {.*}] {.*}
1> n COPY 1,3 $unique/to
1< n OK [COPYUID {\d+} 1,3 1:2] {.*}
1> o UID MOVE 2 $unique/to
1< * OK [COPYUID {\d+} 2 3] {.*}
1< * 2 EXPUNGE
1< o OK {.*}
1> p STORE 1:2 +FLAGS.SILENT (\\Deleted)
1< p OK {.*}
1> q UID EXPUNGE 3
1< * 2 EXPUNGE
1< q OK {.*}
1> r COPY 1 nowhere
1< r NO [TRYCREATE] {.*}
1> s CLOSE
1< s OK {.*}
1> t STATUS $unique (MESSAGES)
1< * STATUS $unique (MESSAGES 0)
1< t OK {.*}
1> u STATUS $unique/to (MESSAGES)
1< * STATUS $unique/to (MESSAGES 3)
1< u OK {.*}
1> v EXAMINE $unique/to
1<* v OK [READ-ONLY] {.*}
1> w STORE 1 FLAGS ()
1< w NO {.*}
1> x SELECT nowhere
1< x NO {.*}
1> y CHECK
1< y BAD {.*}
1 close

== APPEND: dates, NULs, what follows a message
1 open imaps tls
1<* * OK {.*}
1> a LOGIN $user1 $password1
1< a OK {.*}
1> b CREATE $unique
1< b OK {.*}
1> c SELECT $unique
1<* c OK {.*}
1> d APPEND $unique "01-Jan-1970 00:00:00 +0000" {8+}
1> Subject:
1< * 1 EXISTS
1< * 1 RECENT
1< d OK {.*}
1> e APPEND $unique " 1-Jan-2020 23:59:59 +1400" {8+}
1> Subject:
1< * 2 EXISTS
1< * 2 RECENT
1< e OK {.*}
1> f FETCH 1:2 INTERNALDATE
1< * 1 FETCH (INTERNALDATE "{0| }1-Jan-1970 00:00:00 +0000")
1< * 2 FETCH (INTERNALDATE "{0| }1-Jan-2020 09:59:59 +0000")
1< f OK {.*}
1> g APPEND $unique "1-Jan-2020 00:00:00 +0000" {8}
1< g BAD {.*}
1> h APPEND $unique "30-Feb-2020 00:00:00 +0000" {8}
1< h BAD {.*}
1> i APPEND $unique (\\Recent) {8}
1< i BAD {.*}
1> j APPEND $unique {0}
1< j NO {.*}
1> k APPEND $unique {3+}
1>! a\0b\r\n
1< k NO [CANNOT] {.*}
1> l APPEND $unique {8+}
1>! Subject: {11+}\r\nx1 LOGOUT\r\n {11+}\r\nx2 LOGOUT\r\n\r\n
1< l BAD {.*}
1> m APPEND nowhere {8+}
1>! Subject: {11+}\r\nx3 LOGOUT\r\n\r\n
1< m {(NO|BAD) .*}
1> o APPEND $unique "text"
1< o BAD {.*}
1> p APPEND $unique (\\Seen {3+}
1>! abc) {5+}\r\nabcde\r\n
1< p BAD {.*}
1> q STATUS $unique (MESSAGES)
1< * STATUS $unique (MESSAGES 2)
1< q OK {.*}
1 close

== what looks like a literal in APPEND and is none (RFC 3501 section 4.3)
1 open imaps tls
1<* * OK {.*}
1> a LOGIN $user1 $password1
1< a OK {.*}
1> b APPEND INBOX {x}
1< b BAD {.*}
1> c APPEND INBOX {-1}
1< c BAD {.*}
1> d APPEND INBOX {5
1< d BAD {.*}
1> e APPEND INBOX {5}x
1< e BAD {.*}
1> f APPEND INBOX
1< f BAD {.*}
1> g NOOP
1< g OK {.*}
1 close
