# RFC 3501 section 7.4.1, RFC 2177, RFC 2180: what others do is told, and when.

== EXPUNGE waits while numbers are spoken of
1 open imaps tls
1<* * OK {.*}
1> a LOGIN $user2 $password2
1< a OK {.*}
1> b CREATE $unique
1< b OK {.*}
1> c APPEND $unique {8+}
1> Subject:
1< c OK {.*}
1> d APPEND $unique {8+}
1> Subject:
1< d OK {.*}
1> e SELECT $unique
1<* e OK {.*}
2 open imaps tls
2<* * OK {.*}
2> a LOGIN $user2 $password2
2< a OK {.*}
2> b SELECT $unique
2<* b OK {.*}
1> f STORE 1 +FLAGS.SILENT \\Deleted
1< f OK {.*}
1> g EXPUNGE
1< * 1 EXPUNGE
1< g OK {.*}
2> c FETCH 1 FLAGS
2< c NO [EXPUNGEISSUED] {.*}
2> d FETCH 2 UID
2< * 2 FETCH (UID 2)
2< d OK {.*}
2> e NOOP
2< * 1 EXPUNGE
2< e OK {.*}
2> f FETCH 1 UID
2< * 1 FETCH (UID 2)
2< f OK {.*}
1 close
2 close

== IDLE
1 open imaps tls
1<* * OK {.*}
1> a LOGIN $user2 $password2
1< a OK {.*}
1> b CREATE $unique
1< b OK {.*}
1> c SELECT $unique
1<* c OK {.*}
1> d IDLE
1< + {.*}
2 open imaps tls
2<* * OK {.*}
2> a LOGIN $user2 $password2
2< a OK {.*}
2> b APPEND $unique {8+}
2> Subject:
2< b OK {.*}
1< * 1 EXISTS
1< * 1 RECENT
2> c SELECT $unique
2<* c OK {.*}
2> d STORE 1 +FLAGS (\\Answered \\Deleted)
2<* d OK {.*}
1< * 1 FETCH (UID 1 FLAGS (\\Answered \\Deleted \\Recent))
2> e EXPUNGE
2<* e OK {.*}
1< * 1 EXPUNGE
1> DONE
1< d OK {.*}
1> e IDLE
1< + {.*}
1> NOOP
1< e BAD {.*}
2> f DELETE $unique
2< f OK {.*}
1> f NOOP
1< f OK {.*}
1< * BYE {.*}
1 eof
