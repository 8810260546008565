# RFC 6409, RFC 4954.

== nothing goes before TLS, nothing before AUTH
1 open submission
1= 220
1> EHLO client.example
1= 250
1> MAIL FROM:<$user1>
1= 530 5.7.0
1> AUTH PLAIN $b64(\0$user1\0$password1)
1= 538 5.7.11
1> STARTTLS
1= 220
1 tls
1> EHLO client.example
1= 250
1> MAIL FROM:<$user1>
1= 530 5.7.0
1> AUTH PLAIN $b64(\0$user1\0$password1)
1= 235 2.7.0
1> AUTH PLAIN $b64(\0$user1\0$password1)
1= 503 5.5.1
1> MAIL FROM:<$user1>
1= 250

== AUTH is offered under TLS
1 open submissions tls
1= 220
1> EHLO client.example
1<* 250-AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN

== LOGIN, and a wrong password
1 open submissions tls
1= 220
1> EHLO client.example
1= 250
1> AUTH LOGIN
1= 334 VXNlcm5hbWU6
1> $b64($user1)
1= 334 UGFzc3dvcmQ6
1> $b64(wrong)
1= 535 5.7.8
1> AUTH LOGIN $b64($user1)
1= 334 UGFzc3dvcmQ6
1> $b64($password1)
1= 235 2.7.0

== cancelled, malformed, unknown
1 open submissions tls
1= 220
1> EHLO client.example
1= 250
1> AUTH PLAIN
1= 334
1> *
1= 501 5.5.2
1> AUTH PLAIN !!!!
1= 501 5.5.2
1> AUTH PLAIN $b64($user2\0$user1\0$password1)
1= 535 5.7.8
1> AUTH LOGIN
1= 334
1> $b64($user1)
1= 334
1> *
1= 501 5.5.2
1> AUTH CRAM-MD5
1= 504 5.5.4
1> AUTH
1= 504 5.5.4

== the same words for a wrong name and a wrong password
1 open submissions tls
1= 220
1> EHLO client.example
1= 250
1> AUTH PLAIN $b64(\0nobody@$domain\0wrong)
1= {a=535 .*}
1> AUTH PLAIN $b64(\0$user2\0wrong)
1= $a

== a user's own addresses
1 open submissions tls
1= 220
1> EHLO client.example
1= 250
1> AUTH PLAIN $b64(\0$user1\0$password1)
1= 235
1> MAIL FROM:<$user2>
1= 550 5.7.1
1> MAIL FROM:<a@far.example>
1= 550 5.7.1
1> MAIL FROM:<$user1>
1= 250
1> RCPT TO:<$user2>
1= 250
1> DATA
1= 354
1> From: <$user2>
1>
1> .
1= 550 5.7.1
1> MAIL FROM:<$user1>
1= 250
1> RCPT TO:<$user2>
1= 250
1> DATA
1= 354
1> From: Me <$user1>
1> To: <$user2>
1> Subject: $unique
1>
1> hello
1> .
1= 250 2.0.0

== From names the account, in whatever form
1 open submissions tls
1= 220
1> EHLO client.example
1= 250
1> AUTH PLAIN $b64(\0$user1\0$password1)
1= 235
1> MAIL FROM:<$user1>
1= 250
1> RCPT TO:<$user2>
1= 250
1> DATA
1= 354
1> From: "$user2":;
1> Sender: $user1
1>
1> .
1= 550 5.6.0
1> MAIL FROM:<$user1>
1= 250
1> RCPT TO:<$user2>
1= 250
1> DATA
1= 354
1>  , <$user2>
1> Subject: $unique
1>
1> .
1= 550 5.6.0
1> MAIL FROM:<$user1>
1= 250
1> RCPT TO:<$user2>
1= 250
1> DATA
1= 354
1> From: $user1
1> From                           : $user2
1>
1> .
1= 550 5.7.1
1> MAIL FROM:<$user1>
1= 250
1> RCPT TO:<$user2>
1= 250
1> DATA
1= 354
1> From: =?utf-8?q?Me?=
1>  <$user1> (myself)
1> Subject: $unique
1>
1> .
1= 250

== what lacks is added
1 open submissions tls
1= 220
1> EHLO client.example
1= 250
1> AUTH PLAIN $b64(\0$user1\0$password1)
1= 235
1> MAIL FROM:<$user1>
1= 250
1> RCPT TO:<$user1>
1= 250
1> DATA
1= 354
1> Subject: $unique
1>
1> .
1= 250

== outside addresses are a user's to write to
1 open submissions tls
1= 220
1> EHLO client.example
1= 250
1> AUTH PLAIN $b64(\0$user1\0$password1)
1= 235
1> MAIL FROM:<$user1>
1= 250
1> RCPT TO:<b@else.example>
1= 250
1> RCPT TO:<b@[192.0.2.1]>
1= 250
1> RCPT TO:<$user2>
1= 250
1> RCPT TO:<nobody@$domain>
1= 550 5.1.1

== FUTURERELEASE
1 open submissions tls
1= 220
1> EHLO client.example
1<* 250-FUTURERELEASE 604800 {\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ}
1<* 250 ENHANCEDSTATUSCODES
1> AUTH PLAIN $b64(\0$user1\0$password1)
1= 235
1> MAIL FROM:<$user1> HOLDFOR=0
1= 501 5.5.4
1> MAIL FROM:<$user1> HOLDFOR=604801
1= 501 5.5.4
1> MAIL FROM:<$user1> HOLDUNTIL=tomorrow
1= 501 5.5.4
1> MAIL FROM:<$user1> HOLDFOR=60 HOLDUNTIL=2001-01-01T00:00:00Z
1= 501 5.5.4
1> MAIL FROM:<$user1> HOLDUNTIL=2001-01-01T00:00:00Z
1= 250
1> RSET
1= 250
1> MAIL FROM:<$user1> HOLDFOR=60
1= 250

== MT-PRIORITY
1 open submissions tls
1= 220
1> EHLO client.example
1<* 250-MT-PRIORITY
1<* 250 ENHANCEDSTATUSCODES
1> MAIL FROM:<$user1> MT-PRIORITY=1
1= 530 5.7.0
1> AUTH PLAIN $b64(\0$user1\0$password1)
1= 235
1> MAIL FROM:<$user1> MT-PRIORITY=10
1= 501 5.5.4
1> MAIL FROM:<$user1> MT-PRIORITY=-0
1= 501 5.5.4
1> MAIL FROM:<$user1> MT-PRIORITY=9
1= 250
1> RCPT TO:<$user2>
1= 250
1> DATA
1= 354
1> Subject: $unique
1>
1> .
1= 250 2.3.6 0 is its priority now

== the longest line of AUTH, and one that is longer
1 open submissions tls
1= 220
1> EHLO client.example
1= 250
1> AUTH PLAIN $times(12275,A)
1= 501 5.5.2
1> AUTH PLAIN $times(12276,A)
1= 500 5.5.2 Line too long
1> AUTH LOGIN
1= 334 VXNlcm5hbWU6
1> $times(12287,A)
1= 500 5.5.6
1> NOOP
1= 250
1> NOOP $times(2042,A)
1= 500 5.5.2 Line too long
