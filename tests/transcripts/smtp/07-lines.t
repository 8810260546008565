# Only CRLF ends a line, and only CRLF.CRLF a message (RFC 5321 sections 2.3.8, 4.1.1.4).

== bare line ends in commands
1 open smtp
1= 220
1>! NOOP\n
1= 500 5.5.2
1>! NO\rOP\r\n
1= 500 5.5.2
1>! NOOP\r\r\n
1= 500 5.5.2
1>! NO\0OP\r\n
1= 500 5.5.2
1> NOOP
1= 250

== LF . LF does not end a message
1 open smtp
1= 220
1> EHLO client.example
1= 250
1> MAIL FROM:<a@far.example>
1= 250
1> RCPT TO:<$user1>
1= 250
1> DATA
1= 354
1>! Subject: x\r\n\r\nbody\n.\nMAIL FROM:<evil@far.example>\r\n.\r\n
1= 550 5.6.11
1> NOOP
1= 250 2.0.0 OK

== LF . CRLF does not
1 open smtp
1= 220
1> EHLO client.example
1= 250
1> MAIL FROM:<a@far.example>
1= 250
1> RCPT TO:<$user1>
1= 250
1> DATA
1= 354
1>! Subject: x\r\n\r\nbody\n.\r\nMAIL FROM:<evil@far.example>\r\n.\r\n
1= 550 5.6.11
1> NOOP
1= 250 2.0.0 OK

== CRLF . LF does not
1 open smtp
1= 220
1> EHLO client.example
1= 250
1> MAIL FROM:<a@far.example>
1= 250
1> RCPT TO:<$user1>
1= 250
1> DATA
1= 354
1>! Subject: x\r\n\r\nbody\r\n.\nMAIL FROM:<evil@far.example>\r\n.\r\n
1= 550 5.6.11
1> NOOP
1= 250 2.0.0 OK

== CRLF . CR does not
1 open smtp
1= 220
1> EHLO client.example
1= 250
1> MAIL FROM:<a@far.example>
1= 250
1> RCPT TO:<$user1>
1= 250
1> DATA
1= 354
1>! Subject: x\r\n\r\nbody\r\n.\rMAIL FROM:<evil@far.example>\r\n.\r\n
1= 550 5.6.11
1> NOOP
1= 250 2.0.0 OK

== CR . CR does not
1 open smtp
1= 220
1> EHLO client.example
1= 250
1> MAIL FROM:<a@far.example>
1= 250
1> RCPT TO:<$user1>
1= 250
1> DATA
1= 354
1>! Subject: x\r\n\r\nbody\r.\rMAIL FROM:<evil@far.example>\r\n.\r\n
1= 550 5.6.11
1> NOOP
1= 250 2.0.0 OK

== NUL in a message
1 open smtp
1= 220
1> EHLO client.example
1= 250
1> MAIL FROM:<a@far.example>
1= 250
1> RCPT TO:<$user1>
1= 250
1> DATA
1= 354
1>! Subject: x\r\n\r\nbo\0dy\r\n.\r\n
1= 550 5.6.0

== data before 354
1 open smtp
1= 220
1> EHLO client.example
1= 250
1> MAIL FROM:<a@far.example>
1= 250
1> RCPT TO:<$user1>
1= 250
1>>! DATA\r\nSubject: x\r\n\r\n.\r\n
1= 503 5.5.0
1 eof
