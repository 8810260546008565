# RFC 3501 sections 5.1, 6.3.3-6.3.9; RFC 5258, RFC 6154, RFC 5530: names, levels, subscriptions.

== names subscribed to need no mailbox
1 open imaps tls
1<* * OK {.*}
1> a LOGIN $user5 $password5
1< a OK {.*}
1> b SUBSCRIBE $unique/x/y
1< b OK {.*}
1> c LSUB "" $unique/*
1< * LSUB (\\Noselect) "/" $unique/x/y
1< c OK {.*}
1> d LSUB "" $unique/%
1< * LSUB (\\Noselect) "/" $unique/x
1< d OK {.*}
1> e LIST "" $unique*
1< e OK {.*}
1> f LIST (SUBSCRIBED) "" $unique/*
1< * LIST (\\NonExistent \\HasNoChildren \\Subscribed) "/" $unique/x/y
1< f OK {.*}
1> g LIST (SUBSCRIBED RECURSIVEMATCH) "" $unique/%
1< * LIST (\\NonExistent) "/" $unique/x ("CHILDINFO" ("SUBSCRIBED"))
1< g OK {.*}
1> h SUBSCRIBE $unique/x/z
1< h OK {.*}
1> i LIST (RECURSIVEMATCH SUBSCRIBED) "" ($unique $unique/%)
1< * LIST (\\NonExistent) "/" $unique ("CHILDINFO" ("SUBSCRIBED"))
1< * LIST (\\NonExistent) "/" $unique/x ("CHILDINFO" ("SUBSCRIBED"))
1< i OK {.*}
1> j LIST (RECURSIVEMATCH) "" %
1< j BAD {.*}
1> k UNSUBSCRIBE $unique/x/y
1< k OK {.*}
1> l UNSUBSCRIBE $unique/x/z
1< l OK {.*}
1> m UNSUBSCRIBE $unique/x/z
1< m OK {.*}
1> n LSUB "" $unique/*
1< n OK {.*}
1 close

== a mailbox deleted above others leaves its name
1 open imaps tls
1<* * OK {.*}
1> a LOGIN $user5 $password5
1< a OK {.*}
1> b CREATE $unique/b
1< b OK {.*}
1> c APPEND $unique {8+}
1> Subject:
1< c OK [APPENDUID {validity=\d+} 1] {.*}
1> d DELETE $unique
1< d OK {.*}
1> e LIST "" $unique*
1< * LIST (\\Noselect \\HasChildren) "/" $unique
1< * LIST (\\HasNoChildren) "/" $unique/b
1< e OK {.*}
1> f SELECT $unique
1< f NO [NONEXISTENT] {.*}
1> g STATUS $unique (MESSAGES)
1< g NO [NONEXISTENT] {.*}
1> h APPEND $unique {8}
1< + {.*}
1> Subject:
1< h NO [TRYCREATE] {.*}
1> i DELETE $unique
1< i NO [CANNOT] {.*}
1> j CREATE $unique
1< j OK {.*}
1> k STATUS $unique (MESSAGES UIDNEXT UIDVALIDITY)
1< * STATUS $unique (MESSAGES 0 UIDNEXT 1 UIDVALIDITY {(?!$validity\b)\d+})
1< k OK {.*}
1> l DELETE $unique/b
1< l OK {.*}
1> m DELETE $unique
1< m OK {.*}
1> n LIST "" $unique*
1< n OK {.*}
1 close

== RENAME
1 open imaps tls
1<* * OK {.*}
1> a LOGIN $user5 $password5
1< a OK {.*}
1> b CREATE $unique/b/c
1< b OK {.*}
1> c RENAME $unique/b $unique/b/d
1< c NO [CANNOT] {.*}
1> d RENAME $unique/b $unique/b/c
1< d NO [ALREADYEXISTS] {.*}
1> e RENAME $unique/none $unique/some
1< e NO [NONEXISTENT] {.*}
1> f RENAME $unique/b $unique/new/level/b
1< f OK {.*}
1> g LIST "" $unique/*
1< * LIST (\\HasChildren) "/" $unique/new
1< * LIST (\\HasChildren) "/" $unique/new/level
1< * LIST (\\HasChildren) "/" $unique/new/level/b
1< * LIST (\\HasNoChildren) "/" $unique/new/level/b/c
1< g OK {.*}
1> h RENAME $unique INBOX
1< h NO [ALREADYEXISTS] {.*}
1> i RENAME $unique {0}
1< + {.*}
1>
1< i NO {.*}
1 close

== RENAME of INBOX moves its messages, and not what is below it
1 open imaps tls
1<* * OK {.*}
1> a LOGIN $user6 $password6
1< a OK {.*}
1> b CREATE inbox/$unique
1< b OK {.*}
1> c APPEND INBOX (\\Flagged \\Seen kw) "05-May-2005 05:05:05 +0000" {8+}
1> Subject:
1< c OK {.*}
1> d SELECT INBOX
1<* d OK {.*}
1> e RENAME INBOX $unique
1<* * 1 EXPUNGE
1< e OK {.*}
1> g FETCH 1 UID
1< g BAD {.*}
1> h STATUS INBOX (MESSAGES)
1< * STATUS INBOX (MESSAGES 0)
1< h OK {.*}
1> i SELECT $unique
1<* i OK {.*}
1> j FETCH * (FLAGS INTERNALDATE)
1< * {\d+} FETCH (FLAGS (\\Flagged \\Seen kw{.*}) INTERNALDATE "{0| }5-May-2005 05:05:05 +0000")
1< j OK {.*}
1> k LIST "" INBOX/$unique
1< * LIST (\\HasNoChildren) "/" INBOX/$unique
1< k OK {.*}
1 close

== a renamed mailbox stays selected
1 open imaps tls
1<* * OK {.*}
1> a LOGIN $user5 $password5
1< a OK {.*}
1> b CREATE $unique/x
1< b OK {.*}
1> c SELECT $unique/x
1<* c OK {.*}
2 open imaps tls
2<* * OK {.*}
2> a LOGIN $user5 $password5
2< a OK {.*}
2> b SELECT $unique/x
2<* b OK {.*}
1> d RENAME $unique $unique.2
1< d OK {.*}
1> e APPEND $unique.2/x {8+}
1> Subject:
1< * 1 EXISTS
1< * 1 RECENT
1< e OK {.*}
2> c NOOP
2< * 1 EXISTS
2< * {0|1} RECENT
2< c OK {.*}
2> d FETCH 1 UID
2< * 1 FETCH (UID 1)
2< d OK {.*}
1> f DELETE $unique.2/x
1< f OK {.*}
1> g FETCH 1 UID
1< g BAD {.*}
2> e NOOP
2<* e OK {.*}
2< * BYE {.*}
2 eof
1 close

== what can be a name, and what cannot
1 open imaps tls
1<* * OK {.*}
1> a LOGIN $user5 $password5
1< a OK {.*}
1> b CREATE ""
1< b NO [CANNOT] {.*}
1> c CREATE /
1< c NO [CANNOT] {.*}
1> d CREATE /$unique
1< d NO [CANNOT] {.*}
1> e CREATE $unique//
1< e NO [CANNOT] {.*}
1> f CREATE "$unique\xc3\xbc"
1< f NO [CANNOT] {.*}
1> g CREATE "$unique \\"q\\" \\\\b"
1< g OK {.*}
1> h LIST "" "$unique *"
1< * LIST (\\HasNoChildren) "/" "$unique \\"q\\" \\\\b"
1< h OK {.*}
1> i CREATE {26}
1< + {.*}
1> $unique ({}) % 56
1< i OK {.*}
1> j LIST "" {23+}
1> $unique ({}) %
1<* * LIST (\\HasNoChildren) "/" "$unique (\x7b\x7d) % 56"
1< j OK {.*}
1> k CREATE NIL
1<* k {(OK|NO \[ALREADYEXISTS\]) .*}
1> l LIST "" NIL
1< * LIST (\\HasNoChildren) "/" "NIL"
1< l OK {.*}
1> m CREATE $unique/&ZeVnLIqe-/&U,BTFw-
1< m OK {.*}
1> n LIST "" $unique/%/%
1< * LIST (\\HasNoChildren) "/" $unique/&ZeVnLIqe-/&U,BTFw-
1< n OK {.*}
1> o SELECT $unique/%
1< o BAD {.*}
1> p SELECT "$unique/%"
1< p NO [NONEXISTENT] {.*}
1 close

== patterns
1 open imaps tls
1<* * OK {.*}
1> a LOGIN $user5 $password5
1< a OK {.*}
1> b CREATE $unique/a/b
1< b OK {.*}
1> c LIST $unique/ %
1< * LIST (\\HasChildren) "/" $unique/a
1< c OK {.*}
1> d LIST $unique "/*b"
1< * LIST (\\HasNoChildren) "/" $unique/a/b
1< d OK {.*}
1> e LIST "" "$unique/%/%"
1< * LIST (\\HasNoChildren) "/" $unique/a/b
1< e OK {.*}
1> f LIST "" ($unique/a/b $unique/a)
1< * LIST (\\HasChildren) "/" $unique/a
1< * LIST (\\HasNoChildren) "/" $unique/a/b
1< f OK {.*}
1> g LIST "" iNb%
1<* * LIST ({.*}) "/" INBOX
1< g OK {.*}
1> h LIST "" ""
1< * LIST (\\Noselect) "/" ""
1< h OK {.*}
1> i LSUB "" ""
1< i OK {.*}
1> j LIST "" () RETURN ()
1< j BAD {.*}
1> k LIST "" (INBOX) RETURN ()
1< * LIST ({.*}) "/" INBOX
1< k OK {.*}
1> l LIST () "" INBOX
1< * LIST ({.*}) "/" INBOX
1< l OK {.*}
1> m LIST (SUBSCRIBED SPECIAL-USE) "" * RETURN (SPECIAL-USE STATUS (MESSAGES))
1< * LIST (\\HasNoChildren \\Subscribed \\Archive) "/" Archive
1< * STATUS Archive (MESSAGES {\d+})
1<* m OK {.*}
1 close

== special uses are given once
1 open imaps tls
1<* * OK {.*}
1> a LOGIN $user7 $password7
1< a OK {.*}
1> b CREATE $unique (USE (\\Sent))
1< b NO [USEATTR] {.*}
1> c CREATE $unique (USE (\\All))
1< c NO [USEATTR] {.*}
1> d CREATE $unique (USE (\\Drafts \\Sent))
1< d NO [USEATTR] {.*}
1> e CREATE $unique (FOO)
1< e BAD {.*}
1> f CREATE $unique (USE ())
1< f OK {.*}
1> g CREATE $unique (USE (\\Sent))
1< g NO [ALREADYEXISTS] {.*}
1> h DELETE Archive
1< h OK {.*}
1> i CREATE $unique/old (USE (\\Archive))
1< i OK {.*}
1> j LIST (SPECIAL-USE) "" $unique*
1< * LIST (\\HasNoChildren \\Archive) "/" $unique/old
1< j OK {.*}
1> k RENAME $unique/old $unique/older
1< k OK {.*}
1> l LIST (SPECIAL-USE) "" $unique*
1< * LIST (\\HasNoChildren \\Archive) "/" $unique/older
1< l OK {.*}
1> m DELETE $unique/older
1< m OK {.*}
1> n CREATE Archive (USE (\\Archive))
1< n OK {.*}
1> o SUBSCRIBE Archive
1< o OK {.*}
1 close
