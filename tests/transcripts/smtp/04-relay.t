# Never an open relay; our own domains need authentication; nobody learns who exists.

== no relaying in any spelling
1 open smtp
1= 220
1> EHLO client.example
1= 250
1> MAIL FROM:<a@far.example>
1= 250
1> RCPT TO:<b@else.example>
1= 550 5.7.1
1> RCPT TO:<b%else.example@else.example>
1= 550 5.7.1
1> RCPT TO:<"b@else.example"@else.example>
1= 550 5.7.1
1> RCPT TO:<@$domain:b@else.example>
1= 550 5.7.1
1> RCPT TO:<b@[192.0.2.1]>
1= 550 5.7.1
1> RCPT TO:<b@[IPv6:2001:db8::1]>
1= 550 5.7.1
1> RCPT TO:<"$user1"@else.example>
1= 550 5.7.1
1> RCPT TO:<else.example!b@else.example>
1= 550 5.7.1
1> RCPT TO:<b@sub.$domain>
1= 550 5.7.1
1> RCPT TO:<$user1@else.example>
1= 501 5.1.3
1> RCPT TO:<$user1.>
1= 501 5.1.3
1> RCPT TO:<else.example!b>
1= 501 5.1.3
1> RCPT TO:<b>
1= 501 5.1.3
1> RCPT TO:<else.example!b@$domain>
1= 550 5.1.1
1> RCPT TO:<b%else.example@$domain>
1= 550 5.1.1
1> RCPT TO:<"b@else.example"@$domain>
1= 550 5.1.1

== our domain as sender
1 open smtp
1= 220
1> EHLO client.example
1= 250
1> MAIL FROM:<$user1>
1= 550 5.7.1
1> MAIL FROM:<nobody@$domain>
1= 550 5.7.1
1> MAIL FROM:<a@far.example>
1= 250
1> RCPT TO:<$user1>
1= 250
1> DATA
1= 354
1> From: "The boss" <$user2>
1>
1> Pay this bill.
1> .
1= 550 5.7.1
1> MAIL FROM:<a@far.example>
1= 250
1> RCPT TO:<$user1>
1= 250
1> DATA
1= 354
1> From: "not closed
1> From                       : "The boss" <$user2>
1>
1> .
1= 550 5.7.1
1> MAIL FROM:<@far.example:$user1>
1= 550 5.7.1
1> MAIL FROM:<a@far.example>
1= 250

== AUTH is not for this port
1 open smtp
1= 220
1> EHLO client.example
1= 250
1> AUTH PLAIN $b64(\0$user1\0$password1)
1= 502 5.5.1

== unknown users
1 open smtp
1= 220
1> EHLO client.example
1= 250
1> MAIL FROM:<a@far.example>
1= 250
1> RCPT TO:<nobody@$domain>
1= 550 5.1.1
1> RCPT TO:<$user1>
1= 250
