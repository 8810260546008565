# RFC 3501 section 6.2, RFC 4959 (SASL-IR), RFC 7888.

== a wrong name and a wrong password are answered alike
1 open imaps tls
1<* * OK {.*}
1> a LOGIN $user1 wrong-password
1< a NO [AUTHENTICATIONFAILED] {wrong=.*}
1> b LOGIN nobody@$domain wrong-password
1< b NO [AUTHENTICATIONFAILED] $wrong
1 close

== LOGIN in all spellings
1 open imaps tls
1<* * OK {.*}
1> a LOGIN "$user2" "$password2"
1< a OK [CAPABILITY {.*}] {.*}
1> b LOGIN $user2 $password2
1< b BAD {.*}
1 close

== AUTHENTICATE PLAIN with and without an initial response
1 open imaps tls
1<* * OK {.*}
1> a AUTHENTICATE PLAIN $b64(\0$user2\0$password2)
1< a OK {.*}
1 close
2 open imaps tls
2<* * OK {.*}
2> a AUTHENTICATE PLAIN
2< + 
2> $b64(\0$user2\0$password2)
2< a OK {.*}
2 close

== an exchange that is given up, or makes no sense
1 open imaps tls
1<* * OK {.*}
1> a AUTHENTICATE PLAIN
1< + 
1> *
1< a BAD {.*}
1> b AUTHENTICATE PLAIN !!!
1< b BAD {.*}
1> c AUTHENTICATE KLINGON
1< c NO {.*}
1> d LOGIN $user2 $password2
1< d OK {.*}
1 close

== literals
1 open imaps tls
1<* * OK {.*}
1> a LOGIN {1000000}
1< a NO [LIMIT] {.*}
1> b LOGIN {10+}
1> xxxxxxxxxx yyyyyyyyyyyy
1< b NO [AUTHENTICATIONFAILED] {.*}
1> c LOGIN {10}
1< + {.*}
1> xxxxxxxxxx {3}
1< + {.*}
1> yyy
1< c NO [AUTHENTICATIONFAILED] {.*}
1 close
