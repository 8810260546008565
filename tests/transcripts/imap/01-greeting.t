# RFC 3501 sections 6.1, 6.2, 7.1: before log-in.

== before TLS neither LOGIN nor a mechanism is offered
1 open imap
1< * OK [CAPABILITY IMAP4rev1 {[^\]]*}STARTTLS LOGINDISABLED] {\S+} ready
1> a LOGIN $user1 $password1
1< a NO [PRIVACYREQUIRED] {.*}
1> b AUTHENTICATE PLAIN $b64(\0$user1\0$password1)
1< b NO [PRIVACYREQUIRED] {.*}
1> c SELECT INBOX
1< c BAD {.*}
1> d NOOP
1< d OK {.*}
1> e LOGOUT
1< * BYE {.*}
1< e OK {.*}
1 eof

== neither product nor version is told
1 open imaps tls
1< * OK [{.*}] {[a-z0-9.-]+} ready
1> a ID ("name" "client" "version" NIL)
1< * ID NIL
1< a OK {.*}
1> b ID NIL
1< * ID NIL
1< b OK {.*}
1> c ID (x)
1< c BAD {.*}
1 close

== STARTTLS, once
1 open imap
1<* * OK {.*}
1> a STARTTLS
1< a OK {.*}
1 tls
1> b CAPABILITY
1< * CAPABILITY IMAP4rev1 {(?!.*(LOGINDISABLED|STARTTLS)).*AUTH=SCRAM-SHA-256.*}
1< b OK {.*}
1> c STARTTLS
1< c BAD {.*}
1> d LOGIN $user1 $password1
1< d OK [CAPABILITY {.*}UIDPLUS{.*}] {.*}
1 close

== what follows STARTTLS in clear ends the connection
1 open imap
1<* * OK {.*}
1>>! a STARTTLS\r\nb NOOP\r\n
1<* a OK {.*}
1 eof

== unknown commands are counted
1 open imaps tls
1<* * OK {.*}
1> FOO
1< FOO BAD {.*}
1> a
1< a BAD {.*}
1> +
1< * BAD {.*}
1>
1< * BAD {.*}
1> b UID
1< b BAD {.*}
1< * BYE {.*}
1 eof
