-- How we log in at a relay: with the password in the boxes, or (GSSAPI) with a ticket for which every
-- back-end has a key of its own, and then at one host that the route names.
ALTER TABLE routes
	ADD COLUMN auth smallint NOT NULL DEFAULT 0 CHECK (auth IN (0, 1)), -- password, gssapi
	ADD CONSTRAINT routes_gssapi CHECK (auth = 0 OR
		(action = 2 AND username <> '' AND target LIKE '[%'));
