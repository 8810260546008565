# RFC 1870, 3461, 6152, 6531.

== SIZE
1 open smtp
1= 220
1> EHLO client.example
1= 250
1> MAIL FROM:<a@far.example> SIZE=99999999999999
1= 552 5.3.4
1> MAIL FROM:<a@far.example> SIZE=99999999999999999999
1= 552 5.3.4
1> MAIL FROM:<a@far.example> SIZE=999999999999999999999
1= 501 5.5.4
1> MAIL FROM:<a@far.example> SIZE=x
1= 501 5.5.4
1> MAIL FROM:<a@far.example> SIZE=1 SIZE=1
1= 501 5.5.4
1> MAIL FROM:<a@far.example> SIZE=1000
1= 250

== BODY
1 open smtp
1= 220
1> EHLO client.example
1= 250
1> MAIL FROM:<a@far.example> BODY=BINARY
1= 555 5.5.4
1> MAIL FROM:<a@far.example> BODY=8BITMIME
1= 250
1> RCPT TO:<$user1>
1= 250
1> DATA
1= 354
1>! Subject: \xc3\xa4\r\n\r\n\xe4\r\n.\r\n
1= 250

== DSN
1 open smtp
1= 220
1> EHLO client.example
1= 250
1> MAIL FROM:<a@far.example> RET=SOME
1= 501 5.5.4
1> MAIL FROM:<a@far.example> RET=HDRS ENVID=QQ314159
1= 250
1> RCPT TO:<$user1> NOTIFY=SUCCESS,NEVER
1= 501 5.5.4
1> RCPT TO:<$user1> ORCPT=rfc822;a+0Db
1= 501 5.5.4
1> RCPT TO:<$user1> ORCPT=utf-8;a\\x{D}b
1= 501 5.5.4
1> RCPT TO:<$user1> NOTIFY=FAILURE,DELAY ORCPT=rfc822;other+2Bname@far.example
1= 250
1> RCPT TO:<$user2> ORCPT=utf-8;\\x{E4}\\x{2B}b@far.example
1= 250

== SMTPUTF8
1 open smtp
1= 220
1> EHLO client.example
1= 250
1> MAIL FROM:<\xc3\xa4@far.example>
1= 553 5.6.7
1> MAIL FROM:<a@far.example>
1= 250
1> RCPT TO:<\xc3\xa4@$domain>
1= 553 5.6.7
1> RCPT TO:<$user1> ORCPT=utf-8;\xc3\xa4@$domain
1= 553 5.6.7
1> EHLO \xc3\xa4.example
1= 501 5.5.4
1> RSET
1= 250
1> MAIL FROM:<\xc3\xa4@far.example> SMTPUTF8
1= 250
1> RCPT TO:<\xc3\xa4@$domain>
1= 550 5.1.1
1> RCPT TO:<$user1>
1= 250

== FUTURERELEASE is for submissions
1 open smtp
1= 220
1> EHLO client.example
1= 250
1> MAIL FROM:<a@far.example> HOLDFOR=60
1= 555 5.5.4
1> MAIL FROM:<a@far.example> HOLDUNTIL=2030-01-01T00:00:00Z
1= 555 5.5.4

== DELIVERBY
1 open smtp
1= 220
1> EHLO client.example
1<* 250-DELIVERBY
1<* 250 ENHANCEDSTATUSCODES
1> MAIL FROM:<a@far.example> BY=0;R
1= 501 5.5.4
1> MAIL FROM:<a@far.example> BY=60
1= 501 5.5.4
1> MAIL FROM:<a@far.example> BY=1000000000;N
1= 501 5.5.4
1> MAIL FROM:<a@far.example> BY=60;X
1= 501 5.5.4
1> MAIL FROM:<a@far.example> BY=60;R BY=60;R
1= 501 5.5.4
1> MAIL FROM:<a@far.example> BY=60;RT
1= 250
1> RCPT TO:<$user1>
1= 250
1> DATA
1= 354
1> Subject: $unique
1>
1> .
1= 250

== MT-PRIORITY is for submissions
1 open smtp
1= 220
1> EHLO client.example
1= 250
1> MAIL FROM:<a@far.example> MT-PRIORITY=1
1= 555 5.5.4

== unknown parameters
1 open smtp
1= 220
1> EHLO client.example
1= 250
1> MAIL FROM:<a@far.example> FUTURE=1
1= 555 5.5.4
1> MAIL FROM:<a@far.example>
1= 250
1> RCPT TO:<$user1> FUTURE=1
1= 555 5.5.4

== addresses
1 open smtp
1= 220
1> EHLO client.example
1= 250
1> MAIL FROM:a@far.example
1= 501 5.1.7
1> MAIL FROM:<a@far.example
1= 501 5.1.7
1> MAIL FROM:<a b@far.example>
1= 501 5.1.7
1> MAIL FROM:<"a b"@far.example>
1= 250
1> RCPT TO:$user1
1= 501 5.1.3
1> RCPT TO:<@x.example,@y.example:$user1>
1= 250
