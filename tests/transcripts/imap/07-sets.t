# RFC 3501 section 9 (sequence-set, seq-number), sections 6.4.5 and 6.4.8.

== sequence numbers
1 open imaps tls
1<* * OK {.*}
1> a LOGIN $user3 $password3
1< a OK {.*}
1> b CREATE $unique
1< b OK {.*}
1> c APPEND $unique {8+}
1> Subject:
1< c OK {.*}
1> c APPEND $unique {8+}
1> Subject:
1< c OK {.*}
1> c APPEND $unique {8+}
1> Subject:
1< c OK {.*}
1> d SELECT $unique
1<* d OK {.*}
1> e FETCH * UID
1< * 3 FETCH (UID 3)
1< e OK {.*}
1> f FETCH *:2 UID
1< * 2 FETCH (UID 2)
1< * 3 FETCH (UID 3)
1< f OK {.*}
1> g FETCH 3:2,*,2 UID
1< * 2 FETCH (UID 2)
1< * 3 FETCH (UID 3)
1< g OK {.*}
1> h FETCH 4 UID
1< h BAD {.*}
1> i FETCH 5:* UID
1< i BAD {.*}
1> j FETCH 0 UID
1< j BAD {.*}
1> k FETCH 01 UID
1< k BAD {.*}
1> l FETCH 1:2:3 UID
1< l BAD {.*}
1> m FETCH 1, UID
1< m BAD {.*}
1> n FETCH 4294967296 UID
1< n BAD {.*}
1> o STORE 1:4 FLAGS (\\Seen)
1< o BAD {.*}
1> p FETCH 1:* FLAGS
1< * 1 FETCH (FLAGS (\\Recent))
1< * 2 FETCH (FLAGS (\\Recent))
1< * 3 FETCH (FLAGS (\\Recent))
1< p OK {.*}
1> q COPY 4 $unique
1< q BAD {.*}
1> r SEARCH 4
1< r BAD {.*}
1 close

== UIDs
1 open imaps tls
1<* * OK {.*}
1> a LOGIN $user3 $password3
1< a OK {.*}
1> b CREATE $unique
1< b OK {.*}
1> c APPEND $unique {8+}
1> Subject:
1< c OK {.*}
1> c APPEND $unique {8+}
1> Subject:
1< c OK {.*}
1> d SELECT $unique
1<* d OK {.*}
1> e UID FETCH 100:* FLAGS
1< * 2 FETCH (UID 2 FLAGS (\\Recent))
1< e OK {.*}
1> f UID FETCH *:100 FLAGS
1< * 2 FETCH (UID 2 FLAGS (\\Recent))
1< f OK {.*}
1> g UID FETCH 100:200 FLAGS
1< g OK {.*}
1> h UID STORE 100 +FLAGS (\\Seen)
1< h OK {.*}
1> i UID COPY 100 $unique
1< i OK {.*}
1> j UID SEARCH UID 1,100:*
1< * SEARCH 1 2
1< j OK {.*}
1> k UID FETCH 2 (UID UID FLAGS)
1< * 2 FETCH (UID 2 FLAGS (\\Recent))
1< k OK {.*}
1 close

== an empty mailbox has no last message
1 open imaps tls
1<* * OK {.*}
1> a LOGIN $user3 $password3
1< a OK {.*}
1> b CREATE $unique
1< b OK {.*}
1> c SELECT $unique
1< * FLAGS ({.*})
1< * OK [PERMANENTFLAGS ({.*})] {.*}
1< * 0 EXISTS
1< * 0 RECENT
1< * OK [UIDVALIDITY {\d+}] {.*}
1< * OK [UIDNEXT 1] {.*}
1< c OK [READ-WRITE] {.*}
1> d FETCH 1:* FLAGS
1< d BAD {.*}
1> e STORE * FLAGS (\\Seen)
1< e BAD {.*}
1> f COPY 1:* $unique
1< f BAD {.*}
1> g UID FETCH 1:* FLAGS
1< g OK {.*}
1> h SEARCH 1:*
1< * SEARCH
1< h OK {.*}
1> i SEARCH RETURN (MIN MAX ALL COUNT) ALL
1< * ESEARCH (TAG "i") COUNT 0
1< i OK {.*}
1> j UID SEARCH RETURN () ALL
1< * ESEARCH (TAG "j") UID
1< j OK {.*}
1> k EXPUNGE
1< k OK {.*}
1 close
