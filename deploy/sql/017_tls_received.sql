-- Reports of TLS (RFC 8460) that other systems have sent us, each once, and what they say of domains of
-- ours: sessions by what they were to be (proto/tls_results.h: 0 unknown, 1 tlsa, 2 sts, 3 none) and by
-- what they came to (0 a success, 12 not said).
CREATE TABLE tls_received (
	id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	organization text NOT NULL CHECK (octet_length(organization) BETWEEN 1 AND 255),
	report_id    text NOT NULL CHECK (octet_length(report_id) BETWEEN 1 AND 255),
	from_time    timestamptz NOT NULL,
	to_time      timestamptz NOT NULL,
	arrived      timestamptz NOT NULL DEFAULT now(),
	CHECK (from_time < to_time),
	UNIQUE (organization, report_id)
);
CREATE INDEX tls_received_arrived ON tls_received (arrived);

CREATE TABLE tls_received_results (
	report       bigint NOT NULL REFERENCES tls_received (id) ON DELETE CASCADE,
	domain       text NOT NULL CHECK (octet_length(domain) <= 255),
	policy       smallint NOT NULL CHECK (policy BETWEEN 0 AND 3),
	result       smallint NOT NULL CHECK (result BETWEEN 0 AND 12),
	sessions     bigint NOT NULL CHECK (sessions >= 0),
	PRIMARY KEY (report, domain, policy, result)
);
