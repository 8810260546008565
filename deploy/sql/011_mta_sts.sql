-- What other systems are told of our servers' TLS by a domain's MTA-STS policy (RFC 8461), which
-- front-ends serve. An alias domain has that of its target.
ALTER TABLE domains
	ADD COLUMN mta_sts smallint NOT NULL DEFAULT 0 CHECK (mta_sts IN (0, 1, 2)), -- none, testing, enforce
	ADD COLUMN mta_sts_max_age integer NOT NULL DEFAULT 604800
		CHECK (mta_sts_max_age BETWEEN 1 AND 31557600);
