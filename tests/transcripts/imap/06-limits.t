# Limits of lines, literals, lists and sets.

== deep parentheses, many keys
1 open imaps tls
1<* * OK {.*}
1> a LOGIN $user2 $password2
1< a OK {.*}
1> b SELECT INBOX
1<* b OK {.*}
1> c SEARCH ((((((((((((((((((((((((((((((((((((((((((ALL))))))))))))))))))))))))))))))))))))))))))
1< c NO [LIMIT] {.*}
1> d SEARCH NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT ALL
1< d NO [LIMIT] {.*}
1> e FETCH 1 BODY[1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1]
1< e BAD {.*}
1> f FETCH 99999999999 FLAGS
1< f BAD {.*}
1> g SEARCH TEXT {300000}
1< g NO [LIMIT] {.*}
1> h SEARCH TEXT {999999999999999999999999}
1< h NO [LIMIT] {.*}
1> i NOOP
1< i OK {.*}
1 close
