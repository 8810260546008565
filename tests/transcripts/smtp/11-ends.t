# How a session ends.

== too many errors
1 open smtp
1= 220
1>! X\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\n
1<* 421 4.7.0 {.*}
1 eof

== a line without end
1 open smtp
1= 220
1> EHLO client.example
1= 250
1> NOOP 0123456789012345678901234567890123456789012345678901234567890123456789
1= 250
1> QUIT
1= 221
1 eof

== a client that leaves in the middle of a message
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
1> Subject: half
1 close
2 open smtp
2= 220
2> QUIT
2= 221
