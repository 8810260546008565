-- A virtual server may say more of itself, and of the mail that it took (proto/servers.h).
ALTER TABLE smtp_servers
	DROP CONSTRAINT smtp_servers_settings_check,
	ADD CONSTRAINT smtp_servers_settings_check CHECK (cardinality(settings) <= 64
		AND array_to_string(settings, '') !~ '[[:cntrl:]]');
