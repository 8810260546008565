-- What an account may submit, where it differs from the settings: null is the setting's, 0 no limit.
ALTER TABLE accounts
	ADD COLUMN send_messages_minute bigint CHECK (send_messages_minute BETWEEN 0 AND 4294967294),
	ADD COLUMN send_messages_hour bigint CHECK (send_messages_hour BETWEEN 0 AND 4294967294),
	ADD COLUMN send_messages_day bigint CHECK (send_messages_day BETWEEN 0 AND 4294967294),
	ADD COLUMN send_recipients_hour bigint CHECK (send_recipients_hour BETWEEN 0 AND 4294967294),
	ADD COLUMN send_recipients_day bigint CHECK (send_recipients_day BETWEEN 0 AND 4294967294),
	ADD COLUMN send_burst bigint CHECK (send_burst BETWEEN 0 AND 4294967294),
	-- Its mail to other systems waits since then, until an administrator releases it.
	ADD COLUMN held timestamptz,
	ADD COLUMN held_why text NOT NULL DEFAULT '' CHECK (length(held_why) <= 200);
