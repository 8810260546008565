# RFC 2920.
needs PIPELINING

== a group of commands
1 open smtp
1= 220
1> EHLO client.example
1= 250
1>! MAIL FROM:<a@far.example>\r\nRCPT TO:<$user1>\r\nRCPT TO:<nobody@$domain>\r\nRCPT TO:<$user2>\r\nDATA\r\n
1= 250 2.1.0
1= 250 2.1.5
1= 550 5.1.1
1= 250 2.1.5
1= 354
1>! Subject: $unique\r\n\r\nbody\r\n.\r\nMAIL FROM:<a@far.example>\r\nRCPT TO:<$user1>\r\nQUIT\r\n
1= 250 2.0.0
1= 250 2.1.0
1= 250 2.1.5
1= 221
1 eof

== no recipient is good
1 open smtp
1= 220
1> EHLO client.example
1= 250
1>! MAIL FROM:<a@far.example>\r\nRCPT TO:<nobody@$domain>\r\nDATA\r\n
1= 250
1= 550 5.1.1
1= 554 5.5.1
1> RSET
1= 250
