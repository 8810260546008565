# RFC 5321 section 4.1.4: the order of commands.

== everything wants EHLO first
1 open smtp
1= 220
1> MAIL FROM:<a@far.example>
1= 503 5.5.1
1> RCPT TO:<$user1>
1= 503 5.5.1
1> DATA
1= 503 5.5.1
1> STARTTLS
1= 503 5.5.1
1> NOOP
1= 250 2.0.0
1> RSET
1= 250 2.0.0
1> QUIT
1= 221

== MAIL, RCPT, DATA in this order
1 open smtp
1= 220
1> EHLO client.example
1= 250
1> RCPT TO:<$user1>
1= 503 5.5.1
1> DATA
1= 503 5.5.1
1> MAIL FROM:<a@far.example>
1= 250 2.1.0
1> MAIL FROM:<a@far.example>
1= 503 5.5.1
1> DATA
1= 554 5.5.1
1> RCPT TO:<$user1>
1= 250 2.1.5
1> MAIL FROM:<a@far.example>
1= 503 5.5.1

== RSET and EHLO forget the transaction
1 open smtp
1= 220
1> EHLO client.example
1= 250
1> MAIL FROM:<a@far.example>
1= 250
1> RSET
1= 250
1> RCPT TO:<$user1>
1= 503 5.5.1
1> MAIL FROM:<a@far.example>
1= 250
1> EHLO client.example
1= 250
1> RCPT TO:<$user1>
1= 503 5.5.1

== commands in any case, unknown ones, arguments where none belong
1 open smtp
1= 220
1> ehlo client.example
1= 250
1> nOoP
1= 250
1> WIZ
1= 500 5.5.2
1> RSET now
1= 501 5.5.4
1> HELP
1= 214
1> VRFY $user1
1= 252 2.5.2
1> VRFY nobody@$domain
1= 252 2.5.2
1> EXPN staff
1= 502 5.5.1

== the limits are told (RFC 9422)
1 open smtp
1= 220
1> EHLO client.example
1<* 250-LIMITS MAILMAX=100 RCPTMAX=500
1<* 250 ENHANCEDSTATUSCODES
1> HELO client.example
1= 250
