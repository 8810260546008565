# RFC 5321 sections 3.1, 3.2, 4.1.1.1; what a server tells of itself.

== the banner is a name and nothing else
1 open smtp
1< 220 {[a-z0-9.-]+} ESMTP
1> QUIT
1= 221 2.0.0
1 eof

== EHLO lists what there is
1 open smtp
1= 220
1> EHLO client.example
1<* 250-PIPELINING
1<* 250-SIZE {\d+}
1<* 250-8BITMIME
1<* 250-CHUNKING
1<* 250-SMTPUTF8
1<* 250-DSN
1<* 250-STARTTLS
1<* 250 ENHANCEDSTATUSCODES

== HELO is a single line
1 open smtp
1= 220
1> HELO client.example
1< 250 {[a-z0-9.-]+}

== EHLO wants a name
1 open smtp
1= 220
1> EHLO
1= 501 5.5.4
1> EHLO two words
1= 501 5.5.4
1> HELO
1= 501 5.5.4
1> EHLO [192.0.2.1]
1= 250

== who pipelines into EHLO is sent away
1 open smtp
1= 220
1>>! EHLO client.example\r\nMAIL FROM:<a@far.example>\r\n
1= 503 5.5.0
1 eof
