#include "frontend/outbound/notice_text.h"

const struct notice_language notice_en = {
	.tag = "en",
	.encoding = NOTICE_QP,
	.text =
		{
			[TEXT_FROM] = "Mail Delivery System",
			[TEXT_DATE] = "{0}-{1}-{2} {3}:{4} UTC",
			[TEXT_ABOUT_SUBJECT] = "Subject: {0}",
			[TEXT_ABOUT_SENT] = "Sent: {0}",
			[TEXT_SERVER_SAID] = "The server {0} answered:",
			[TEXT_DETAIL] = "Technical detail:",
			[TEXT_UNTIL] = "We will keep trying until {0}.",
			[TEXT_ATTACHED_WHOLE] =
				"Your message is attached, so that nothing is lost.",
			[TEXT_ATTACHED_HEADER] =
				"The header of your message is attached, so that you can tell "
				"which message this is about.",
			[TEXT_ATTACHED_BIG] =
				"Your message is too large to be returned with this notice; "
				"only its header is attached.",
			[TEXT_SIGNATURE] =
				"This notice was written automatically by the mail server {0}.",
		},
	.subject =
		{
			[NOTICE_FAILED] = "Your message could not be delivered",
			[NOTICE_DELAYED] = "Your message is delayed",
			[NOTICE_DELIVERED] = "Your message was delivered",
			[NOTICE_RELAYED] = "Your message was passed on",
			[NOTICE_EXPANDED] = "Your message was passed on to a list",
		},
	.opening =
		{
			[NOTICE_FAILED] =
				"Hello, this is the mail server {0}. We are sorry: your "
				"message could not be delivered, and we have stopped trying. "
				"Whom this concerns, and why:",
			[NOTICE_DELAYED] =
				"Hello, this is the mail server {0}. Your message is still on "
				"its way; it is safe with us. Whom this concerns, and why:",
			[NOTICE_DELIVERED] =
				"Hello, this is the mail server {0}. You asked to be told: "
				"your message has been delivered to:",
			[NOTICE_RELAYED] =
				"Hello, this is the mail server {0}. You asked to be told: "
				"your message has been passed on to the mail server of:",
			[NOTICE_EXPANDED] =
				"Hello, this is the mail server {0}. You asked to be told: "
				"your message has been passed on to everybody who is behind:",
		},
	.closing =
		{
			[NOTICE_FAILED] =
				"Please do not reply to this notice: it was not written by the "
				"recipient. If you cannot get on, show it to whoever looks "
				"after your mail.",
			[NOTICE_DELAYED] =
				"You need not do anything, and please do not send the message "
				"again. If it cannot be delivered in the end, we will tell you.",
			[NOTICE_DELIVERED] =
				"This says that the message lies in the mailbox, not that it "
				"has been read. You need not do anything.",
			[NOTICE_RELAYED] =
				"That server does not confirm deliveries, so we cannot tell "
				"you more. You need not do anything.",
			[NOTICE_EXPANDED] =
				"You will not be told about each of them. You need not do "
				"anything.",
		},
	.why =
		{
			[WHY_UNKNOWN] = "There is no mailbox with this address.",
			[WHY_NO_DOMAIN] =
				"The part of the address after the @ does not exist on the "
				"Internet.",
			[WHY_NO_MAIL] = "The part of the address after the @ does not take part in "
					"mail.",
			[WHY_SENDER] = "The recipient's server does not accept your own address as "
				       "the sender.",
			[WHY_DISABLED] = "The recipient's mailbox is closed at present.",
			[WHY_FULL] = "The recipient's mailbox is full.",
			[WHY_MAILBOX] = "The recipient's mailbox could not take the message.",
			[WHY_TOO_BIG] = "The message is larger than the recipient's server allows.",
			[WHY_SYSTEM] = "The recipient's server has a difficulty of its own, or too "
				       "much to do.",
			[WHY_UNREACHABLE] = "The recipient's server could not be reached.",
			[WHY_LOOP] = "The message was passed round in a circle from server to "
				     "server.",
			[WHY_LATE] = "It has not been possible to hand it over yet.",
			[WHY_EXPIRED] = "For as long as mail may wait it was not possible to "
					"hand it over.",
			[WHY_BY] = "The time was over that you had set for its delivery.",
			[WHY_PROTOCOL] =
				"Our server and the recipient's did not understand each other.",
			[WHY_UTF8] = "An address of this message has letters (such as accents or "
				     "another alphabet) that the recipient's server cannot handle.",
			[WHY_CONTENT] = "The recipient's server does not accept what the message "
					"holds, for example the kind of an attachment.",
			[WHY_TLS] = "No connection to the recipient's server could be made that is "
				    "safe enough.",
			[WHY_AUTH] = "The recipient's server could not verify that the message "
				     "really comes from your domain.",
			[WHY_POLICY] =
				"The recipient's server does not accept the message because of "
				"its rules, for example against unwanted mail.",
			[WHY_OURS] = "This mail server does not let the message pass: by "
				     "its rules, or because those who run it have decided "
				     "so.",
			[WHY_UNCLEAR] =
				"The recipient's server gave no reason that we could explain.",
		},
	.advice =
		{
			[WHY_UNKNOWN] =
				"Please check the spelling, or ask the recipient for the right "
				"address in another way, and send the message again.",
			[WHY_NO_DOMAIN] =
				"Please check the spelling of what stands after the @, and "
				"send the message again.",
			[WHY_NO_MAIL] = "Please ask the recipient for another address.",
			[WHY_SENDER] = "Please show this notice to whoever looks after your mail.",
			[WHY_DISABLED] =
				"Please reach the recipient in another way, or try again some "
				"days later.",
			[WHY_FULL] = "Please tell the recipient in another way, so that they make "
				     "room; then send the message again.",
			[WHY_MAILBOX] =
				"Please try again later, or reach the recipient in another way.",
			[WHY_TOO_BIG] =
				"Please send it with smaller attachments, in several messages, "
				"or share the files in another way.",
			[WHY_SYSTEM] = "Please send the message again later.",
			[WHY_UNREACHABLE] =
				"Please check what stands after the @. If it is right, send "
				"the message again later.",
			[WHY_LOOP] = "There is a mistake in how mail is forwarded there: please "
				     "tell the recipient in another way.",
			[WHY_LATE] = "Please send the message again later, or reach the recipient "
				     "in another way.",
			[WHY_EXPIRED] =
				"Please send the message again later, or reach the recipient "
				"in another way.",
			[WHY_BY] = "Please send it again, with more time or without a "
				   "limit.",
			[WHY_PROTOCOL] =
				"Please show this notice to whoever looks after your mail.",
			[WHY_UTF8] =
				"Please ask the recipient for an address of plain letters from "
				"a to z, or send from such an address.",
			[WHY_CONTENT] = "Please send it without attachments, or share the files in "
					"another way.",
			[WHY_TLS] = "The message was not sent without protection. Please show this "
				    "notice to whoever looks after your mail.",
			[WHY_AUTH] = "Please show this notice to whoever looks after your mail.",
			[WHY_POLICY] =
				"Its answer below may say more. Please reach the recipient in "
				"another way, or show this notice to whoever looks after your "
				"mail.",
			[WHY_OURS] = "Please show this notice to whoever looks after your "
				     "mail.",
			[WHY_UNCLEAR] =
				"Please send the message again later, or reach the recipient "
				"in another way.",
		},
};
