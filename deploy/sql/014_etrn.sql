-- Held mail that the other side may ask for by ETRN: from nowhere, from anywhere (any), or from these
-- nets, with spaces between them. Then it goes where DNS says, or to the target. By ATRN an account
-- may have that of one domain sent over its own connection.
ALTER TABLE routes
	ADD COLUMN etrn text NOT NULL DEFAULT '' CHECK (octet_length(etrn) <= 1000),
	ADD COLUMN atrn bigint REFERENCES accounts (id) ON DELETE SET NULL,
	DROP CONSTRAINT routes_check,
	ADD CONSTRAINT routes_target CHECK (CASE action WHEN 1 THEN target = ''
		WHEN 4 THEN target = '' OR etrn <> '' ELSE target <> '' END),
	ADD CONSTRAINT routes_etrn CHECK (etrn = '' OR action = 4),
	ADD CONSTRAINT routes_atrn CHECK (atrn IS NULL OR
		(action = 4 AND sender = '' AND domain NOT LIKE '.%' AND domain <> '*'));
