# RFC 5321 sections 4.1.1.4, 4.5.2.

== one message
1 open smtp
1= 220
1> EHLO client.example
1= 250
1> MAIL FROM:<a@far.example>
1= 250 2.1.0
1> RCPT TO:<$user1>
1= 250 2.1.5
1> DATA
1= 354
1> From: a@far.example
1> Subject: $unique
1>
1> ..a line with a dot
1> .
1= 250 2.0.0
1> QUIT
1= 221
1 eof

== several messages in a session, several recipients, the null sender
1 open smtp
1= 220
1> EHLO client.example
1= 250
1> MAIL FROM:<>
1= 250
1> RCPT TO:<$user1>
1= 250
1> RCPT TO:<$user2>
1= 250
1> DATA
1= 354
1> Subject: $unique first
1>
1> .
1= 250
1> MAIL FROM:<a@far.example>
1= 250
1> RCPT TO:<$user2>
1= 250
1> DATA
1= 354
1> .
1= 250

== HELO serves the old ones
1 open smtp
1= 220
1> HELO client.example
1= 250
1> MAIL FROM:<a@far.example> SIZE=100
1= 555 5.5.4
1> MAIL FROM:<a@far.example>
1= 250
1> RCPT TO:<$user1>
1= 250
1> DATA
1= 354
1> Subject: $unique
1>
1> old
1> .
1= 250

== the null sender; nobody's mailbox is at an address literal
1 open smtp
1= 220
1> EHLO client.example
1= 250
1> MAIL FROM:<>
1= 250
1> RCPT TO:<$user1>
1= 250
1> RCPT TO:<user@[127.0.0.1]>
1= 550 5.7.1

== a header that begins in the middle
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
1> \t(more of the trace field)
1> Subject: $unique
1>
1> .
1= 550 5.6.0

== a mail loop ends
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
1>! Received: 1\r\nReceived: 1\r\nReceived: 1\r\nReceived: 1\r\nReceived: 1\r\nReceived: 1\r\nReceived: 1\r\nReceived: 1\r\nReceived: 1\r\nReceived: 1\r\n
1>! Received: 2\r\nReceived: 2\r\nReceived: 2\r\nReceived: 2\r\nReceived: 2\r\nReceived: 2\r\nReceived: 2\r\nReceived: 2\r\nReceived: 2\r\nReceived: 2\r\n
1>! Received: 3\r\nReceived: 3\r\nReceived: 3\r\nReceived: 3\r\nReceived: 3\r\nReceived: 3\r\nReceived: 3\r\nReceived: 3\r\nReceived: 3\r\nReceived: 3\r\n
1>! Received: 4\r\nReceived: 4\r\nReceived: 4\r\nReceived: 4\r\nReceived: 4\r\nReceived: 4\r\nReceived: 4\r\nReceived: 4\r\nReceived: 4\r\nReceived: 4\r\n
1>! Received: 5\r\nReceived: 5\r\nReceived: 5\r\nReceived: 5\r\nReceived: 5\r\nReceived: 5\r\nReceived: 5\r\nReceived: 5\r\nReceived: 5\r\nReceived: 5\r\n
1>! Received: 6\r\nReceived: 6\r\nReceived: 6\r\nReceived: 6\r\nReceived: 6\r\nReceived: 6\r\nReceived: 6\r\nReceived: 6\r\nReceived: 6\r\nReceived: 6\r\n
1>! Received: 7\r\nReceived: 7\r\nReceived: 7\r\nReceived: 7\r\nReceived: 7\r\nReceived: 7\r\nReceived: 7\r\nReceived: 7\r\nReceived: 7\r\nReceived: 7\r\n
1>! Received: 8\r\nReceived: 8\r\nReceived: 8\r\nReceived: 8\r\nReceived: 8\r\nReceived: 8\r\nReceived: 8\r\nReceived: 8\r\nReceived: 8\r\nReceived: 8\r\n
1>! Received: 9\r\nReceived: 9\r\nReceived: 9\r\nReceived: 9\r\nReceived: 9\r\nReceived: 9\r\nReceived: 9\r\nReceived: 9\r\nReceived: 9\r\nReceived: 9\r\n
1>! Received: a\r\nReceived: a\r\nReceived: a\r\nReceived: a\r\nReceived: a\r\nReceived: a\r\nReceived: a\r\nReceived: a\r\nReceived: a\r\nReceived: a\r\n
1>! Received: b\r\n\r\n.\r\n
1= 554 5.4.6
