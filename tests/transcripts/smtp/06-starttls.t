# RFC 3207.
needs STARTTLS

== a message under TLS
1 open smtp
1= 220
1> EHLO client.example
1= 250
1> STARTTLS
1= 220 2.0.0
1 tls
1> MAIL FROM:<a@far.example>
1= 503 5.5.1
1> EHLO client.example
1= 250
1> STARTTLS
1= 503 5.5.1
1> MAIL FROM:<a@far.example>
1= 250
1> RCPT TO:<$user1>
1= 250
1> DATA
1= 354
1> Subject: $unique
1>
1> .
1= 250
1> QUIT
1= 221
1 eof

== REQUIRETLS is offered and taken under TLS alone (RFC 8689 section 2)
1 open smtp
1= 220
1> EHLO client.example
1<* 250-DSN
1< 250-STARTTLS
1< 250 ENHANCEDSTATUSCODES
1> MAIL FROM:<a@far.example> REQUIRETLS
1= 530 5.7.10
1> STARTTLS
1= 220 2.0.0
1 tls
1> EHLO client.example
1<* 250-REQUIRETLS
1< 250 ENHANCEDSTATUSCODES
1> MAIL FROM:<a@far.example> REQUIRETLS
1= 250
1> RCPT TO:<$user1>
1= 250
1> DATA
1= 354
1> Subject: $unique
1>
1> .
1= 250
1> QUIT
1= 221
1 eof

== clear text behind STARTTLS is not taken over
1 open smtp
1= 220
1> EHLO client.example
1= 250
1>>! STARTTLS\r\nMAIL FROM:<a@far.example>\r\n
1= 503 5.5.0
1 eof

== clear text in place of a handshake
1 open smtp
1= 220
1> EHLO client.example
1= 250
1> STARTTLS
1= 220
1> EHLO evil.example
1 eof

== STARTTLS has no arguments
1 open smtp
1= 220
1> EHLO client.example
1= 250
1> STARTTLS now
1= 501 5.5.4
