# RFC 3030.
needs CHUNKING

== two chunks, dots mean nothing
1 open smtp
1= 220
1> EHLO client.example
1= 250
1> MAIL FROM:<a@far.example>
1= 250
1> RCPT TO:<$user1>
1= 250
1> BDAT 14
1>! Subject: x\r\n\r\n
1= 250 2.0.0
1> BDAT 8 LAST
1>! .\r\nx\r\n.\r
1= 550 5.6.11
1> MAIL FROM:<a@far.example>
1= 250
1> RCPT TO:<$user1>
1= 250
1> BDAT 14
1>! Subject: x\r\n\r\n
1= 250 2.0.0
1> BDAT 9 LAST
1>! .\r\nx\r\n.\r\n
1= 250 2.0.0

== an empty last chunk
1 open smtp
1= 220
1> EHLO client.example
1= 250
1>! MAIL FROM:<a@far.example>\r\nRCPT TO:<$user1>\r\nBDAT 17\r\nSubject: x\r\n\r\ny\r\nBDAT 0 LAST\r\n
1= 250
1= 250
1= 250
1= 250
1> NOOP
1= 250

== chunks that nobody wants are read over
1 open smtp
1= 220
1> EHLO client.example
1= 250
1>! BDAT 6 LAST\r\nQUIT\r\n
1= 503 5.5.1
1> MAIL FROM:<a@far.example>
1= 250
1>! BDAT 6 LAST\r\nQUIT\r\n
1= 554 5.5.1
1> RCPT TO:<$user1>
1= 250
1>! BDAT 3\r\na:\r
1= 250
1> DATA
1= 503 5.5.1
1> RSET
1= 250
1> BDAT much
1= 501 5.5.4
1 eof

== nobody promises gigabytes
1 open smtp
1= 220
1> EHLO client.example
1= 250
1> BDAT 99999999999
1= 421 4.7.0
1 eof

== BINARYMIME goes with BDAT alone (RFC 3030 section 3)
1 open smtp
1= 220
1> EHLO client.example
1<* 250-BINARYMIME
1<* 250 ENHANCEDSTATUSCODES
1> MAIL FROM:<a@far.example> BODY=BINARYMIME
1= 250
1> RCPT TO:<$user1>
1= 250
1> DATA
1= 503 5.5.1
1>! BDAT 18 LAST\r\na: b\r\n\r\n\0\n\r\r\n.\r\n\xff\n
1= 250 2.0.0
1> MAIL FROM:<a@far.example>
1= 250
1> RCPT TO:<$user1>
1= 250
1>! BDAT 11 LAST\r\na: b\r\n\r\n\n\r\n
1= 550 5.6.11
