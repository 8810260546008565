-- Held mail that the other side may ask for by ETRN: from nowhere, from anywhere (any), or from these
-- nets, with spaces between them. Then it goes where DNS says, or to the target.
ALTER TABLE routes
	ADD COLUMN etrn text NOT NULL DEFAULT '' CHECK (octet_length(etrn) <= 1000),
	DROP CONSTRAINT routes_check,
	ADD CONSTRAINT routes_target CHECK (CASE action WHEN 1 THEN target = ''
		WHEN 4 THEN target = '' OR etrn <> '' ELSE target <> '' END),
	ADD CONSTRAINT routes_etrn CHECK (etrn = '' OR action = 4);
