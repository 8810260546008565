# RFC 3501 sections 6.3.3-6.3.10, RFC 5258, RFC 5819, RFC 6154, RFC 3348.

== the life of a mailbox
1 open imaps tls
1<* * OK {.*}
1> a LOGIN $user1 $password1
1< a OK {.*}
1> b CREATE $unique/sub/
1< b OK {.*}
1> c CREATE $unique/sub
1< c NO [ALREADYEXISTS] {.*}
1> d LIST "" $unique/%
1< * LIST (\\HasNoChildren) "/" $unique/sub
1< d OK {.*}
1> e LIST "" $unique*
1< * LIST (\\HasChildren) "/" $unique
1< * LIST (\\HasNoChildren) "/" $unique/sub
1< e OK {.*}
1> f SUBSCRIBE $unique/sub
1< f OK {.*}
1> g LSUB "" $unique/*
1< * LSUB () "/" $unique/sub
1< g OK {.*}
1> h RENAME $unique "$unique x"
1< h OK {.*}
1> i STATUS "$unique x/sub" (MESSAGES UIDNEXT UNSEEN)
1< * STATUS "$unique x/sub" (MESSAGES 0 UIDNEXT 1 UNSEEN 0)
1< i OK {.*}
1> j SELECT $unique
1< j NO [NONEXISTENT] {.*}
1> k DELETE "$unique x/sub"
1< k OK {.*}
1> l DELETE "$unique x"
1< l OK {.*}
1> m DELETE "$unique x"
1< m NO [NONEXISTENT] {.*}
1 close

== INBOX in any case, and what may not be done to it
1 open imaps tls
1<* * OK {.*}
1> a LOGIN $user1 $password1
1< a OK {.*}
1> b LIST "" inbox
1< * LIST (\\{Has\w+}) "/" INBOX
1< b OK {.*}
1> c DELETE inBOX
1< c NO {.*}
1> d CREATE inbox
1< d NO [ALREADYEXISTS] {.*}
1 close

== modified UTF-7, and names that cannot be
1 open imaps tls
1<* * OK {.*}
1> a LOGIN $user1 $password1
1< a OK {.*}
1> b CREATE "$unique&APw-"
1< b OK {.*}
1> c LIST "" "$unique&APw-"
1< * LIST (\\HasNoChildren) "/" $unique&APw-
1< c OK {.*}
1> d CREATE "$unique&"
1< d NO [CANNOT] {.*}
1> e CREATE "$unique&AGE-"
1< e NO [CANNOT] {.*}
1> f CREATE "a//b"
1< f NO {.*}
1> g DELETE "$unique&APw-"
1< g OK {.*}
1 close

== special uses, status in a list
1 open imaps tls
1<* * OK {.*}
1> a LOGIN $user1 $password1
1< a OK {.*}
1> b LIST (SPECIAL-USE) "" *
1<* * LIST (\\{Has\w+} \\Sent) "/" Sent
1<* b OK {.*}
1> c LIST "" Trash RETURN (STATUS (UIDVALIDITY MESSAGES) CHILDREN SUBSCRIBED)
1< * LIST (\\HasNoChildren \\Subscribed \\Trash) "/" Trash
1< * STATUS Trash (MESSAGES {\d+} UIDVALIDITY {\d+})
1< c OK {.*}
1> d LIST (FOO) "" *
1< d BAD {.*}
1> e LIST "" ""
1< * LIST (\\Noselect) "/" ""
1< e OK {.*}
1 close
