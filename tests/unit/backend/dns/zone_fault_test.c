/* Records of SPF, DMARC and TLSRPT, and what is said of each. */
#include "backend/dns/zone.h"
#include "tests/lib/check.h"

struct judged {
	const char *record;
	const char *says; /* all of it; empty: nothing is wrong */
};

#define REFUSES "it does not let our hosts send"
#define OPEN    "it lets all the world send"
#define BEHIND  "nobody reads it, for it stands behind all"
#define LEN4    "a net's length is a number from 0 to 32"
#define LEN6    "a net's length is a number from 0 to 128"
#define LENGTHS "a net's length is /0 to /32, //0 to //128 for IPv6"
#define NO_NAME "no domain behind its name"
#define NO_MECH "no mechanism of SPF"
#define TWICE   "it is there twice"
#define TO      "not mailto: and an address, or several with , between them"
#define TLS_TO  "neither mailto: and an address nor https:, or several with , between them"
#define NO_POL  "neither none, quarantine nor reject"
#define NOT_DM  "not v=DMARC1; in these letters: for receivers it is no record"
#define NOT_TLS "not v=TLSRPTv1; in these letters: for senders it is no record"
#define MANY \
	"more than 10 terms that ask DNS: receivers take it for broken (RFC 7208 section 4.6.4)"
#define TEN " a:1.x a:2.x a:3.x a:4.x a:5.x a:6.x a:7.x a:8.x a:9.x a:10.x"

static void spf(slice_t record, struct zone_faults *f)
{
	struct ask_answer a = {.outcome = ASK_OK, .records = &record, .n = 1};
	struct ipaddr addrs[2];

	CHECK(ipaddr_parse(SL("192.0.2.1"), &addrs[0]));
	CHECK(ipaddr_parse(SL("2001:db8::1"), &addrs[1]));
	CHECK_INT(zone_spf_faults(&a, addrs, 2, f), 1);
}

static void check_all(const struct judged *all, size_t n,
		      void (*faults)(slice_t record, struct zone_faults *f))
{
	for (size_t i = 0; i < n; i++) {
		struct zone_faults f;

		check_note("%s", all[i].record);
		zone_faults_init(&f);
		faults(slice_str(all[i].record), &f);
		CHECK_SLICE(buf_slice(&f.text), slice_str(all[i].says));
		zone_faults_fini(&f);
	}
}

TEST(spf_that_is_right)
{
	static const struct judged all[] = {
		{"v=spf1 mx -all", ""},
		{"V=SPF1  +MX  ~ALL ", ""},
		{"v=spf1 mx", ""},
		{"v=spf1 ip4:192.0.2.1 ip6:2001:db8::/32 -all", ""},
		{"v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::1/128 ?all", ""},
		{"v=spf1 include:x.test -all", ""},
		{"v=spf1 redirect=x.test", ""},
		{"v=spf1 a:x.test -all", ""},
		{"v=spf1 mx:other.test -all", ""},
		{"v=spf1 a -all", ""},
		{"v=spf1 a/24 mx/24//64 a:x.test//64 mx:x.test/0 -all", OPEN},
		{"v=spf1 mx a:x.test//128 mx//0 -all", OPEN},
		{"v=spf1 exists:%{i}._spf.%{d2r.-}.x.test -all", ""},
		{"v=spf1 exists:%{i} -all", ""},
		{"v=spf1 exists:a%%b%_c%-d.x-y.test. -all", ""},
		{"v=spf1 ptr -all", ""},
		{"v=spf1 ptr:x.test -all", ""},
		{"v=spf1 mx -all exp=why.%{d}", ""},
		{"v=spf1 exp=why.x.test mx -all other=%{l}/x-y_z a.b=", ""},
		{"v=spf1 mx" TEN " -all", MANY},
		{"v=spf1" TEN " -all", ""},
	};

	check_all(all, ARRAY_LEN(all), spf);
}

/* The first term that an address fits decides. */
TEST(spf_that_refuses_us)
{
	static const struct judged all[] = {
		{"v=spf1", REFUSES},
		{"v=spf1 -all", REFUSES},
		{"v=spf1 ?mx -all", REFUSES},
		{"v=spf1 ip4:192.0.2.0/24 -all", REFUSES},
		{"v=spf1 ip4:192.0.2.2 ip6:2001:db8::1 -all", REFUSES},
		{"v=spf1 -ip4:192.0.2.1 ip6:2001:db8::1 -all", REFUSES},
		{"v=spf1 -ip4:192.0.2.1 mx -all", REFUSES},
		{"v=spf1 ~ip6:2001:db8::/32 a:x.test mx -all", REFUSES},
		{"v=spf1 -include:x.test -all", REFUSES},
		{"v=spf1 -ip4:192.0.2.2 mx -all", ""},
		{"v=spf1 mx -ip4:192.0.2.1 -all", ""},
		{"v=spf1 include:x.test -ip4:192.0.2.1 -all", ""},
	};

	check_all(all, ARRAY_LEN(all), spf);
}

TEST(spf_that_is_broken)
{
	static const struct judged all[] = {
		{"v=spf1 -all mx", "mx: " BEHIND "; " REFUSES},
		{"v=spf1 mx -all ~all", "~all: " BEHIND},
		{"v=spf1 mx -all include:x", "include:x: " BEHIND "; include:x: " NO_NAME},
		{"v=spf1 mx ~all extra:bogus", "extra:bogus: " NO_MECH},
		{"v=spf1 mx -al", "-al: " NO_MECH},
		{"v=spf1 mx --all", "--all: " NO_MECH},
		{"v=spf1 mx - -all", "-: " NO_MECH},
		{"v=spf1 mx\t-all", "mx\t-all: " NO_MECH},
		{"v=spf1 mx ip4=192.0.2.1 all:x", "all:x: all has nothing behind it"},
		{"v=spf1 mx all/0", "all/0: all has nothing behind it"},
		{"v=spf1 mx ip4:300.1.1.1 -all", "ip4:300.1.1.1: no IPv4 address or net"},
		{"v=spf1 mx ip4:1.2.3 -all", "ip4:1.2.3: no IPv4 address or net"},
		{"v=spf1 mx ip4 -all", "ip4: no IPv4 address or net"},
		{"v=spf1 mx ip4: -all", "ip4:: no IPv4 address or net"},
		{"v=spf1 mx ip4/24 -all", "ip4/24: no IPv4 address or net"},
		{"v=spf1 mx ip4:2001:db8::1 -all", "ip4:2001:db8::1: no IPv4 address or net"},
		{"v=spf1 mx ip6:192.0.2.1 -all", "ip6:192.0.2.1: no IPv6 address or net"},
		{"v=spf1 mx ip4:192.0.2.1/33 -all", "ip4:192.0.2.1/33: " LEN4},
		{"v=spf1 mx ip4:192.0.2.1/ -all", "ip4:192.0.2.1/: " LEN4},
		{"v=spf1 mx ip4:192.0.2.1/08 -all", "ip4:192.0.2.1/08: " LEN4},
		{"v=spf1 mx ip4:192.0.2.1//8 -all", "ip4:192.0.2.1//8: " LEN4},
		{"v=spf1 mx ip6:2001:db8::/129 -all", "ip6:2001:db8::/129: " LEN6},
		{"v=spf1 mx/33 -all", "mx/33: " LENGTHS},
		{"v=spf1 mx/ -all", "mx/: " LENGTHS},
		{"v=spf1 a//129 -all", "a//129: " LENGTHS},
		{"v=spf1 a/24/64 -all", "a/24/64: " LENGTHS},
		{"v=spf1 mx: -all", "mx:: " NO_NAME},
		{"v=spf1 mx:localhost -all", "mx:localhost: " NO_NAME},
		{"v=spf1 mx a:x.1 -all", "a:x.1: " NO_NAME},
		{"v=spf1 mx a:x.-y -all", "a:x.-y: " NO_NAME},
		{"v=spf1 mx a:x..  -all", "a:x..: " NO_NAME},
		{"v=spf1 mx include -all", "include: " NO_NAME},
		{"v=spf1 mx include:x.test/24 -all", "include:x.test/24: " NO_NAME},
		{"v=spf1 mx exists:%{q}.x.test -all", "exists:%{q}.x.test: " NO_NAME},
		{"v=spf1 mx exists:%{d0}.x.test -all", "exists:%{d0}.x.test: " NO_NAME},
		{"v=spf1 mx exists:%{d.x.test -all", "exists:%{d.x.test: " NO_NAME},
		{"v=spf1 mx exists:%x.test -all", "exists:%x.test: " NO_NAME},
		{"v=spf1 mx exists:x.test% -all", "exists:x.test%: " NO_NAME},
		{"v=spf1 mx ptr: -all", "ptr:: " NO_NAME},
		{"v=spf1 mx redirect=x", "redirect=x: " NO_NAME},
		{"v=spf1 redirect=x.test redirect=y.test", "redirect=y.test: " TWICE},
		{"v=spf1 mx -all exp=x.test EXP=y.test", "EXP=y.test: " TWICE},
		{"v=spf1 mx -all redirect=x.test",
		 "redirect=x.test: nobody follows it, for there is an all"},
		{"v=spf1 mx x=%", "x=%: its macros are none"},
		{"v=spf1 mx 1x=y", "1x=y: " NO_MECH},
		{"v=spf1 mx =y", "=y: " NO_MECH},
		{"v=spf1 mx +all", OPEN},
		{"v=spf1 mx all", OPEN},
		{"v=spf1 mx ip4:10.0.0.0/0 -all", OPEN},
		{"v=spf1 ip6:::/0 mx -all", OPEN},
		{"v=spf1 mx -ip4:0.0.0.0/0", ""},
		{"v=spf1 mx/0 -all", OPEN},
	};

	check_all(all, ARRAY_LEN(all), spf);
}

TEST(which_records_are_spf)
{
	slice_t records[] = {SL("v=spf10 mx"), SL("mx"), SL("v=spf1;mx"), SL("v=spf1 mx -all"),
			     SL("V=SPF1 mx")};
	struct ask_answer a = {.outcome = ASK_OK, .records = records, .n = 3};
	struct zone_faults f;

	zone_faults_init(&f);
	CHECK_INT(zone_spf_faults(&a, NULL, 0, &f), 0);
	a.n = 4;
	CHECK_INT(zone_spf_faults(&a, NULL, 0, &f), 1);
	CHECK_INT(f.n, 0);
	a.n = 5;
	CHECK_INT(zone_spf_faults(&a, NULL, 0, &f), 2);
	CHECK_SLICE(buf_slice(&f.text),
		    SL("there are several: receivers take none (RFC 7208 section 4.5)"));
	zone_faults_fini(&f);
}

TEST(dmarc_records)
{
	static const struct judged all[] = {
		{"v=DMARC1;p=none", ""},
		{"v=DMARC1; p=none", ""},
		{"v = DMARC1 ; P = Reject ; rua = mailto:x@y.test , mailto:z@y.test!10M ;", ""},
		{"v=DMARC1; p=quarantine; sp=none; adkim=s; aspf=R; pct=100; ri=86400; fo=0:d:s; "
		 "rf=afrf; ruf=mailto:x%2Cy@z.test?subject=a",
		 ""},
		{"v=DMARC1; p=none; pct=0; unknown=thing; np=none", ""},
		{"v=DMARC1; p=none; pct=099", ""},
		{"v=dmarc1; p=none", "v=dmarc1: " NOT_DM},
		{"v=DMARC1 p=none", "v=DMARC1 p=none: " NOT_DM "; there is no p="},
		{"v=DMARC2; p=none", "v=DMARC2: " NOT_DM},
		{"v=DMARC1", "there is no p="},
		{"v=DMARC1;", "there is no p="},
		{"v=DMARC1; sp=none", "there is no p="},
		{"v=DMARC1; sp=none; p=none", "p=none: it must follow v=DMARC1; at once"},
		{"v=DMARC1; p=no", "p=no: " NO_POL},
		{"v=DMARC1; p=", "p=: " NO_POL},
		{"v=DMARC1; p=none; p=reject", "p=reject: " TWICE},
		{"v=DMARC1; p=none; sp=all", "sp=all: " NO_POL},
		{"v=DMARC1; p=none; adkim=z", "adkim=z: neither r nor s"},
		{"v=DMARC1; p=none; aspf=relaxed", "aspf=relaxed: neither r nor s"},
		{"v=DMARC1; p=none; pct=200", "pct=200: not a number from 0 to 100"},
		{"v=DMARC1; p=none; pct=101", "pct=101: not a number from 0 to 100"},
		{"v=DMARC1; p=none; pct=1e1", "pct=1e1: not a number from 0 to 100"},
		{"v=DMARC1; p=none; pct=", "pct=: not a number from 0 to 100"},
		{"v=DMARC1; p=none; ri=1d", "ri=1d: not a number of seconds"},
		{"v=DMARC1; p=none; fo=2", "fo=2: not of 0, 1, d and s, with : between them"},
		{"v=DMARC1; p=none; fo=1:", "fo=1:: not of 0, 1, d and s, with : between them"},
		{"v=DMARC1; p=none; rf=iodef", "rf=iodef: no format but afrf is known"},
		{"v=DMARC1; p=none; rua=x@y", "rua=x@y: " TO},
		{"v=DMARC1; p=none; rua=mailto:x", "rua=mailto:x: " TO},
		{"v=DMARC1; p=none; rua=mailto:@y", "rua=mailto:@y: " TO},
		{"v=DMARC1; p=none; rua=mailto:x@", "rua=mailto:x@: " TO},
		{"v=DMARC1; p=none; rua=mailto:x@y!10x", "rua=mailto:x@y!10x: " TO},
		{"v=DMARC1; p=none; rua=mailto:x@y!", "rua=mailto:x@y!: " TO},
		{"v=DMARC1; p=none; rua=mailto:x@y!k", "rua=mailto:x@y!k: " TO},
		{"v=DMARC1; p=none; rua=mailto:x@y,", "rua=mailto:x@y,: " TO},
		{"v=DMARC1; p=none; rua=mailto:x@y z", "rua=mailto:x@y z: " TO},
		{"v=DMARC1; p=none; ruf=https://y.test/", "ruf=https://y.test/: " TO},
		{"v=DMARC1; p=none;; rua=mailto:x@y", "nothing between two ;"},
		{"v=DMARC1; p=none; rua", "rua: no tag=value"},
		{"v=DMARC1; p=none; =x", "=x: no tag=value"},
		{"p=none; v=DMARC1", "p=none: " NOT_DM "; there is no p="},
	};

	check_all(all, ARRAY_LEN(all), zone_dmarc_faults);
}

TEST(tlsrpt_records)
{
	static const struct judged all[] = {
		{"v=TLSRPTv1; rua=mailto:x@y.test", ""},
		{"v=TLSRPTv1;rua=mailto:t%21%2C+x@y.test,https://y.test/v1/r?a=b ;", ""},
		{"v=TLSRPTv1; x-y.z_1=1; rua=https://y.test/ , mailto:x@y", ""},
		{"v=tlsrptv1; rua=mailto:x@y", "v=tlsrptv1: " NOT_TLS},
		{"v = TLSRPTv1; rua=mailto:x@y", "v = TLSRPTv1: " NOT_TLS},
		{"v=TLSRPTv1 rua=mailto:x@y",
		 "v=TLSRPTv1 rua=mailto:x@y: " NOT_TLS "; there is no rua="},
		{"v=TLSRPTv1", "v=TLSRPTv1: " NOT_TLS "; there is no rua="},
		{"v=TLSRPTv1;", "there is no rua="},
		{"v=TLSRPTv1; RUA=mailto:x@y",
		 "RUA=mailto:x@y: not rua= in these letters; there is no rua="},
		{"v=TLSRPTv1; rua =mailto:x@y",
		 "rua =mailto:x@y: not rua= in these letters; there is no rua="},
		{"v=TLSRPTv1; rua=ftp://x", "rua=ftp://x: " TLS_TO},
		{"v=TLSRPTv1; rua=http://x/", "rua=http://x/: " TLS_TO},
		{"v=TLSRPTv1; rua=https://", "rua=https://: " TLS_TO},
		{"v=TLSRPTv1; rua=x@y", "rua=x@y: " TLS_TO},
		{"v=TLSRPTv1; rua=mailto:x@y!10m", "rua=mailto:x@y!10m: " TLS_TO},
		{"v=TLSRPTv1; rua=", "rua=: " TLS_TO},
		{"v=TLSRPTv1; rua=mailto:x@y,,mailto:z@y", "rua=mailto:x@y,,mailto:z@y: " TLS_TO},
		{"v=TLSRPTv1; rua=mailto:x@y; rua=mailto:z@y", "rua=mailto:z@y: " TWICE},
		{"v=TLSRPTv1; rua=mailto:x@y; x", "x: no name=value"},
		{"v=TLSRPTv1; rua=mailto:x@y; -x=1", "-x=1: no name=value"},
		{"v=TLSRPTv1; rua=mailto:x@y; x=a=b", "x=a=b: no name=value"},
		{"v=TLSRPTv1; rua=mailto:x@y; x = 1", "x = 1: no name=value"},
		{"v=TLSRPTv1; rua=mailto:x@y; x=", "x=: no name=value"},
		{"v=TLSRPTv1;; rua=mailto:x@y", "nothing between two ;"},
	};

	check_all(all, ARRAY_LEN(all), zone_tlsrpt_faults);
}

/* Long terms are cut, and of many faults the first are told. */
TEST(many_faults)
{
	struct zone_faults f;
	struct buf b;

	buf_init(&b, 4096, NULL);
	buf_puts(&b, "v=spf1");
	for (int i = 0; i < 20; i++)
		buf_printf(&b, " %0100d", i);
	zone_faults_init(&f);
	spf(buf_slice(&b), &f);
	CHECK_INT(f.n, 20);
	CHECK_INT(f.text.n,
		  ZONE_FAULTS_MAX * (60 + 5 + sizeof NO_MECH - 1) + (ZONE_FAULTS_MAX - 1) * 2);
	zone_faults_fini(&f);
	buf_fini(&b);
}
