-- A key that was made because another one has grown old: it is activated, and the older one retired,
-- without an administrator.
ALTER TABLE dkim_keys ADD COLUMN successor boolean NOT NULL DEFAULT false;

-- Work of the cluster that one node does at a time, as long as it renews its claim.
CREATE TABLE claims (
	name         text PRIMARY KEY,
	node         text NOT NULL,
	until        timestamptz NOT NULL
);
