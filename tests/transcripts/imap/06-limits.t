# Limits of lines, literals, lists and sets.

== deep parentheses, many keys
1 open imaps tls
1<* * OK {.*}
1> a LOGIN $user2 $password2
1< a OK {.*}
1> b SELECT INBOX
1<* b OK {.*}
1> c SEARCH ((((((((((((((((((((((((((((((((((((((((((ALL))))))))))))))))))))))))))))))))))))))))))
1< c NO [LIMIT] {.*}
1> d SEARCH NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT ALL
1< d NO [LIMIT] {.*}
1> e FETCH 1 BODY[1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1]
1< e BAD {.*}
1> f FETCH 99999999999 FLAGS
1< f BAD {.*}
1> g SEARCH TEXT {300000}
1< g NO [LIMIT] {.*}
1> h SEARCH TEXT {999999999999999999999999}
1< h NO [LIMIT] {.*}
1> i NOOP
1< i OK {.*}
1 close

== arguments of one command
1 open imaps tls
1<* * OK {.*}
1> a LOGIN $user2 $password2
1< a OK {.*}
1> b ID ("x0" NIL "x1" NIL "x2" NIL "x3" NIL "x4" NIL "x5" NIL "x6" NIL "x7" NIL "x8" NIL "x9" NIL "x10" NIL "x11" NIL "x12" NIL "x13" NIL "x14" NIL "x15" NIL "x16" NIL "x17" NIL "x18" NIL "x19" NIL "x20" NIL "x21" NIL "x22" NIL "x23" NIL "x24" NIL "x25" NIL "x26" NIL "x27" NIL "x28" NIL "x29" NIL)
1< * ID NIL
1< b OK {.*}
1> c ID ("x0" NIL "x1" NIL "x2" NIL "x3" NIL "x4" NIL "x5" NIL "x6" NIL "x7" NIL "x8" NIL "x9" NIL "x10" NIL "x11" NIL "x12" NIL "x13" NIL "x14" NIL "x15" NIL "x16" NIL "x17" NIL "x18" NIL "x19" NIL "x20" NIL "x21" NIL "x22" NIL "x23" NIL "x24" NIL "x25" NIL "x26" NIL "x27" NIL "x28" NIL "x29" NIL "x30" NIL)
1< c BAD {.*}
1> d ENABLE x0 x1 x2 x3 x4 x5 x6 x7 x8 x9 x10 x11 x12 x13 x14 x15 x16 x17 x18 x19 x20 x21 x22 x23 x24 x25 x26 x27 x28 x29 x30 x31 x32 x33 x34 x35 x36 x37 x38 x39 x40 x41 x42 x43 x44 x45 x46 x47 x48 x49 x50 x51 x52 x53 x54 x55 x56 x57 x58 x59 x60 x61 x62 x63
1< * ENABLED
1< d OK {.*}
1> e ENABLE x0 x1 x2 x3 x4 x5 x6 x7 x8 x9 x10 x11 x12 x13 x14 x15 x16 x17 x18 x19 x20 x21 x22 x23 x24 x25 x26 x27 x28 x29 x30 x31 x32 x33 x34 x35 x36 x37 x38 x39 x40 x41 x42 x43 x44 x45 x46 x47 x48 x49 x50 x51 x52 x53 x54 x55 x56 x57 x58 x59 x60 x61 x62 x63 x64
1< e BAD {.*}
1> f LIST "" (x0 x1 x2 x3 x4 x5 x6 x7 x8 x9 x10 x11 x12 x13 x14 x15 x16 x17 x18 x19 x20 x21 x22 x23 x24 x25 x26 x27 x28 x29 x30 x31)
1< f OK {.*}
1> g LIST "" (x0 x1 x2 x3 x4 x5 x6 x7 x8 x9 x10 x11 x12 x13 x14 x15 x16 x17 x18 x19 x20 x21 x22 x23 x24 x25 x26 x27 x28 x29 x30 x31 x32)
1< g BAD {.*}
1> h IDLE
1< + {.*}
1> DONExxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
1< h BAD {.*}
1> i CREATE nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn
1< i NO [CANNOT] {.*}
1> j CREATE d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d
1< j NO [CANNOT] {.*}
1> k SUBSCRIBE nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn
1< k NO [CANNOT] {.*}
1 close

== keywords of a mailbox
1 open imaps tls
1<* * OK {.*}
1> a LOGIN $user2 $password2
1< a OK {.*}
1> b CREATE $unique
1< b OK {.*}
1> c APPEND $unique (kw0 kw1 kw2 kw3 kw4 kw5 kw6 kw7 kw8 kw9 kw10 kw11 kw12 kw13 kw14 kw15 kw16 kw17 kw18 kw19 kw20 kw21 kw22 kw23 kw24 kw25 kw26 kw27 kw28 kw29 kw30 kw31 kw32 kw33 kw34 kw35 kw36 kw37 kw38 kw39 kw40 kw41 kw42 kw43 kw44 kw45 kw46 kw47 kw48 kw49 kw50 kw51 kw52 kw53 kw54 kw55 kw56 kw57 kw58 kw59 kw60 kw61 kw62 kw63) {8+}
1> Subject:
1< c OK {.*}
1> d SELECT $unique
1< * FLAGS ({.*} kw63)
1< * OK [PERMANENTFLAGS ({.*} kw63)] {.*}
1<* d OK {.*}
1> e STORE 1 +FLAGS (more)
1< e NO [LIMIT] {.*}
1> f STORE 1 FLAGS (KW7)
1< * 1 FETCH (UID 1 FLAGS (kw7 \\Recent))
1< f OK {.*}
1> g APPEND $unique (more) {8+}
1> Subject:
1< g NO [LIMIT] {.*}
1> h STORE 1 +FLAGS (k0 k1 k2 k3 k4 k5 k6 k7 k8 k9 k10 k11 k12 k13 k14 k15 k16 k17 k18 k19 k20 k21 k22 k23 k24 k25 k26 k27 k28 k29 k30 k31 k32 k33 k34 k35 k36 k37 k38 k39 k40 k41 k42 k43 k44 k45 k46 k47 k48 k49 k50 k51 k52 k53 k54 k55 k56 k57 k58 k59 k60 k61 k62 k63 k64)
1< h BAD {.*}
1> i STORE 1 +FLAGS (kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk)
1< i BAD {.*}
1 close
