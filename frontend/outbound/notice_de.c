#include "frontend/outbound/notice_text.h"

const struct notice_language notice_de = {
	.tag = "de",
	.encoding = NOTICE_QP,
	.text =
		{
			[TEXT_FROM] = "E-Mail-Zustellung",
			[TEXT_DATE] = "{2}.{1}.{0}, {3}:{4} Uhr (UTC)",
			[TEXT_ABOUT_SUBJECT] = "Betreff: {0}",
			[TEXT_ABOUT_SENT] = "Gesendet: {0}",
			[TEXT_SERVER_SAID] = "Der Server {0} hat geantwortet:",
			[TEXT_DETAIL] = "Technische Einzelheit:",
			[TEXT_UNTIL] = "Wir versuchen es weiter bis zum {0}.",
			[TEXT_ATTACHED_WHOLE] =
				"Ihre Nachricht ist angehängt, damit nichts verloren geht.",
			[TEXT_ATTACHED_HEADER] =
				"Der Kopf Ihrer Nachricht ist angehängt, damit Sie erkennen, "
				"um welche es geht.",
			[TEXT_ATTACHED_BIG] =
				"Ihre Nachricht ist zu groß, um mit dieser Mitteilung "
				"zurückgeschickt zu werden; nur ihr Kopf ist angehängt.",
			[TEXT_SIGNATURE] =
				"Diese Mitteilung hat der Mailserver {0} automatisch verfasst.",
		},
	.subject =
		{
			[NOTICE_FAILED] = "Ihre Nachricht konnte nicht zugestellt werden",
			[NOTICE_DELAYED] = "Ihre Nachricht verspätet sich",
			[NOTICE_DELIVERED] = "Ihre Nachricht wurde zugestellt",
			[NOTICE_RELAYED] = "Ihre Nachricht wurde weitergegeben",
			[NOTICE_EXPANDED] = "Ihre Nachricht wurde an einen Verteiler weitergegeben",
		},
	.opening =
		{
			[NOTICE_FAILED] =
				"Guten Tag, hier ist der Mailserver {0}. Es tut uns leid: Ihre "
				"Nachricht konnte nicht zugestellt werden, und wir versuchen "
				"es nicht weiter. Wen es betrifft, und warum:",
			[NOTICE_DELAYED] =
				"Guten Tag, hier ist der Mailserver {0}. Ihre Nachricht ist "
				"noch unterwegs; bei uns ist sie gut aufgehoben. Wen es "
				"betrifft, und warum:",
			[NOTICE_DELIVERED] =
				"Guten Tag, hier ist der Mailserver {0}. Sie wollten es "
				"wissen: Ihre Nachricht wurde zugestellt an:",
			[NOTICE_RELAYED] =
				"Guten Tag, hier ist der Mailserver {0}. Sie wollten es "
				"wissen: Ihre Nachricht wurde weitergegeben an den Mailserver "
				"von:",
			[NOTICE_EXPANDED] =
				"Guten Tag, hier ist der Mailserver {0}. Sie wollten es "
				"wissen: Ihre Nachricht wurde weitergegeben an alle hinter "
				"dieser Adresse:",
		},
	.closing =
		{
			[NOTICE_FAILED] =
				"Bitte antworten Sie nicht auf diese Mitteilung: Sie stammt "
				"nicht vom Empfänger. Wenn Sie nicht weiterkommen, zeigen Sie "
				"sie der Person, die Ihre E-Mail betreut.",
			[NOTICE_DELAYED] =
				"Sie brauchen nichts zu tun; bitte senden Sie die Nachricht "
				"nicht noch einmal. Falls sie am Ende nicht zugestellt werden "
				"kann, erfahren Sie es von uns.",
			[NOTICE_DELIVERED] =
				"Das heißt, dass die Nachricht im Postfach liegt, nicht, dass "
				"sie gelesen wurde. Sie brauchen nichts zu tun.",
			[NOTICE_RELAYED] =
				"Jener Server bestätigt Zustellungen nicht, daher können wir "
				"nicht mehr sagen. Sie brauchen nichts zu tun.",
			[NOTICE_EXPANDED] =
				"Über die einzelnen Personen erhalten Sie keine Mitteilung. "
				"Sie brauchen nichts zu tun.",
		},
	.why =
		{
			[WHY_UNKNOWN] = "Ein Postfach mit dieser Adresse gibt es nicht.",
			[WHY_NO_DOMAIN] =
				"Den Teil der Adresse nach dem @ gibt es im Internet nicht.",
			[WHY_NO_MAIL] = "Der Teil der Adresse nach dem @ nimmt keine E-Mail an.",
			[WHY_SENDER] =
				"Der Server des Empfängers nimmt Ihre eigene Adresse nicht als "
				"Absender an.",
			[WHY_DISABLED] = "Das Postfach des Empfängers ist zurzeit geschlossen.",
			[WHY_FULL] = "Das Postfach des Empfängers ist voll.",
			[WHY_MAILBOX] = "Das Postfach des Empfängers konnte die Nachricht nicht "
					"aufnehmen.",
			[WHY_TOO_BIG] =
				"Die Nachricht ist größer, als der Server des Empfängers es "
				"erlaubt.",
			[WHY_SYSTEM] =
				"Der Server des Empfängers hat selbst Schwierigkeiten oder zu "
				"viel zu tun.",
			[WHY_UNREACHABLE] = "Der Server des Empfängers war nicht zu erreichen.",
			[WHY_LOOP] = "Die Nachricht wurde von Server zu Server im Kreis geschickt.",
			[WHY_LATE] = "Die Nachricht konnte noch nicht übergeben werden.",
			[WHY_EXPIRED] = "So lange, wie E-Mail warten darf, konnte die "
					"Nachricht nicht übergeben werden.",
			[WHY_BY] = "Die Zeit, die Sie für die Zustellung vorgegeben "
				   "hatten, war vorbei.",
			[WHY_PROTOCOL] = "Unser Server und der des Empfängers haben einander nicht "
					 "verstanden.",
			[WHY_UTF8] = "Eine Adresse dieser Nachricht enthält Buchstaben (etwa "
				     "Umlaute oder ein anderes Alphabet), mit denen der Server des "
				     "Empfängers nicht umgehen kann.",
			[WHY_CONTENT] =
				"Der Server des Empfängers nimmt nicht an, was die Nachricht "
				"enthält, zum Beispiel die Art eines Anhangs.",
			[WHY_TLS] = "Es kam keine Verbindung zum Server des Empfängers zustande, "
				    "die sicher genug ist.",
			[WHY_AUTH] = "Der Server des Empfängers konnte nicht prüfen, ob die "
				     "Nachricht wirklich aus Ihrer Domain kommt.",
			[WHY_POLICY] = "Der Server des Empfängers nimmt die Nachricht wegen seiner "
				       "Regeln nicht an, zum Beispiel gegen unerwünschte E-Mail.",
			[WHY_OURS] = "Dieser Mailserver lässt die Nachricht nicht durch: "
				     "nach seinen Regeln, oder weil es die so entschieden "
				     "haben, die ihn betreiben.",
			[WHY_UNCLEAR] =
				"Der Server des Empfängers hat keinen Grund genannt, den wir "
				"erklären könnten.",
		},
	.advice =
		{
			[WHY_UNKNOWN] =
				"Bitte prüfen Sie die Schreibweise oder fragen Sie den "
				"Empfänger auf anderem Wege nach der richtigen Adresse, und "
				"senden Sie die Nachricht noch einmal.",
			[WHY_NO_DOMAIN] =
				"Bitte prüfen Sie, was nach dem @ steht, und senden Sie die "
				"Nachricht noch einmal.",
			[WHY_NO_MAIL] =
				"Bitte fragen Sie den Empfänger nach einer anderen Adresse.",
			[WHY_SENDER] =
				"Bitte zeigen Sie diese Mitteilung der Person, die Ihre E-Mail "
				"betreut.",
			[WHY_DISABLED] =
				"Bitte wenden Sie sich auf anderem Wege an den Empfänger oder "
				"versuchen Sie es in einigen Tagen noch einmal.",
			[WHY_FULL] = "Bitte sagen Sie dem Empfänger auf anderem Wege Bescheid, "
				     "damit er Platz schafft; senden Sie die Nachricht dann noch "
				     "einmal.",
			[WHY_MAILBOX] = "Bitte versuchen Sie es später noch einmal oder wenden Sie "
					"sich auf anderem Wege an den Empfänger.",
			[WHY_TOO_BIG] =
				"Bitte senden Sie kleinere Anhänge, teilen Sie sie auf mehrere "
				"Nachrichten auf oder geben Sie die Dateien auf anderem Wege "
				"weiter.",
			[WHY_SYSTEM] = "Bitte senden Sie die Nachricht später noch einmal.",
			[WHY_UNREACHABLE] =
				"Bitte prüfen Sie, was nach dem @ steht. Wenn es stimmt, "
				"senden Sie die Nachricht später noch einmal.",
			[WHY_LOOP] = "Dort ist eine Weiterleitung falsch eingestellt: Bitte sagen "
				     "Sie dem Empfänger auf anderem Wege Bescheid.",
			[WHY_LATE] =
				"Bitte senden Sie die Nachricht später noch einmal oder wenden "
				"Sie sich auf anderem Wege an den Empfänger.",
			[WHY_EXPIRED] =
				"Bitte senden Sie die Nachricht später noch einmal oder wenden "
				"Sie sich auf anderem Wege an den Empfänger.",
			[WHY_BY] = "Bitte senden Sie die Nachricht noch einmal, mit mehr "
				   "Zeit oder ohne Frist.",
			[WHY_PROTOCOL] =
				"Bitte zeigen Sie diese Mitteilung der Person, die Ihre E-Mail "
				"betreut.",
			[WHY_UTF8] = "Bitte fragen Sie den Empfänger nach einer Adresse aus "
				     "einfachen Buchstaben von a bis z, oder senden Sie von einer "
				     "solchen.",
			[WHY_CONTENT] =
				"Bitte senden Sie die Nachricht ohne Anhänge oder geben Sie "
				"die Dateien auf anderem Wege weiter.",
			[WHY_TLS] = "Ungeschützt wurde die Nachricht nicht gesendet. Bitte zeigen "
				    "Sie diese Mitteilung der Person, die Ihre E-Mail betreut.",
			[WHY_AUTH] =
				"Bitte zeigen Sie diese Mitteilung der Person, die Ihre E-Mail "
				"betreut.",
			[WHY_POLICY] =
				"Seine Antwort unten sagt vielleicht mehr. Bitte wenden Sie "
				"sich auf anderem Wege an den Empfänger oder zeigen Sie diese "
				"Mitteilung der Person, die Ihre E-Mail betreut.",
			[WHY_OURS] = "Bitte zeigen Sie diese Mitteilung der Person, die "
				     "Ihre E-Mail betreut.",
			[WHY_UNCLEAR] =
				"Bitte senden Sie die Nachricht später noch einmal oder wenden "
				"Sie sich auf anderem Wege an den Empfänger.",
		},
};
